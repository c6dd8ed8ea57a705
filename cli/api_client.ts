/** HTTP to the daemon over its unix socket. */
import { type Answer, type Problem, rtnetlinkAnswers } from "./answer.ts";
import { EXIT_FAILURE, Quit } from "./quit.ts";

/** fetch() looks names up even when it goes over a socket, and waits 5 s for a name server that is silent. */
const ORIGIN = "http://127.0.0.1";

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export class ApiClient implements Disposable {
  readonly #socket: string;
  readonly #client: Deno.HttpClient;

  constructor(runDir: string) {
    this.#socket = `${runDir}/api.sock`;
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: this.#socket } });
  }

  /** Asks, and returns what was answered: a value, or the daemon's refusal. Quits when nobody answers. */
  async ask<T>(method: string, path: string, query: Query = {}, body?: unknown): Promise<Answer<T>> {
    const response = await this.#send(method, path, query, body);
    const text = await response.text();
    if (response.ok) return { ok: true, value: (text === "" ? undefined : JSON.parse(text)) as T };
    return { ok: false, problem: parseProblem(response.status, text) };
  }

  /** Asks; a refusal ends the command as a netlink error ends ip(8). */
  async demand<T>(method: string, path: string, query: Query = {}, body?: unknown): Promise<T> {
    const answer = await this.ask<T>(method, path, query, body);
    if (!answer.ok) throw rtnetlinkAnswers(answer.problem);
    return answer.value;
  }

  /** The data of each server-sent event, one line each, as it comes; ends with the daemon. */
  async *events(path: string): AsyncIterable<string> {
    const response = await this.#send("GET", path, {}, undefined);
    if (!response.ok) throw rtnetlinkAnswers(parseProblem(response.status, await response.text()));
    let pending = "";
    try {
      for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (pending + text).split("\n\n");
        pending = blocks.pop()!;
        for (const block of blocks) {
          const data = /^data: ?(.*)$/m.exec(block);
          if (data !== null) yield data[1]!;
        }
      }
    } catch {
      // The daemon has ended; what it sent before was whole.
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #send(method: string, path: string, query: Query, body: unknown): Promise<Response> {
    const url = new URL(path, ORIGIN);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const content = body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    try {
      return await fetch(url, { method, client: this.#client, ...content });
    } catch {
      throw await this.#unreachable();
    }
  }

  /** fetch() does not say why it could not connect; connecting once more does. */
  async #unreachable(): Promise<Quit> {
    let reason = "the daemon closed the connection";
    try {
      (await Deno.connect({ transport: "unix", path: this.#socket })).close();
    } catch (error) {
      reason = error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable
        ? "permission denied"
        : "vti-gateway is not running, start it with: deno run -A mod.ts run";
    }
    return new Quit(EXIT_FAILURE, `Cannot reach ${this.#socket}: ${reason}`);
  }
}

/** The problem of a body; one made of the status where something else than the daemon has answered. */
function parseProblem(status: number, text: string): Problem {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return { status, title: `HTTP status ${status}`, detail: text };
  }
}
