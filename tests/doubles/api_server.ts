/** A daemon's API of canned answers, on a unix socket in this process: what a client is tested against. */

export interface ApiRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly body: unknown;
}

/** What is answered; null is 204 No Content, a string is sent as it is. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export class ApiServer implements AsyncDisposable {
  readonly requests: ApiRequest[] = [];
  readonly #server: Deno.HttpServer;

  private constructor(readonly runDir: string, answer: (request: ApiRequest) => ApiAnswer) {
    this.#server = Deno.serve({ path: `${runDir}/api.sock`, onListen() {} }, async (http) => {
      const { pathname, search } = new URL(http.url);
      const text = await http.text();
      const request = {
        method: http.method,
        path: decodeURIComponent(pathname) + search,
        body: text === "" ? undefined : JSON.parse(text),
      };
      this.requests.push(request);
      const { status, body } = answer(request);
      if (body === null || body === undefined) return new Response(null, { status: 204 });
      return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
    });
  }

  static async start(answer: (request: ApiRequest) => ApiAnswer): Promise<ApiServer> {
    return new ApiServer(await Deno.makeTempDir({ prefix: "vtt-api-" }), answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    await Deno.remove(this.runDir, { recursive: true });
  }
}

/** A refusal with the kernel's errno, as the daemon words it. */
export function refusal(errno: string, title: string, more: object = {}): ApiAnswer {
  return { status: 422, body: { status: 422, title, detail: `Cannot do it: ${title}`, errno, ...more } };
}
