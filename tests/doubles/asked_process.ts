/** A process that says a line when it is ready, and answers each line with one. */
export class AskedProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";
  /** The answer under way: one line is asked at a time. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Starts it in a namespace; resolves when it is ready. */
  static async start(netns: string, words: readonly string[]): Promise<AskedProcess> {
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", netns, ...words],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const process = new AskedProcess(child);
    await process.#answer();
    return process;
  }

  /** Rejects when the process has ended. */
  ask(line: string): Promise<string> {
    const answer = this.#last.then(async () => {
      await this.#writer.write(new TextEncoder().encode(`${line}\n`));
      return await this.#answer();
    });
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #answer(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("Cannot read an answer: the process has ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return line;
  }

  /** Closes its input and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    while (!(await this.#lines.read()).done);
    await this.#child.status;
  }
}
