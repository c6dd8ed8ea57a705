/** Hostile and slow clients, over bare sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { HttpListener } from "./http_listener.ts";

const LIMITS = { total: 20, perPeer: 10 };
const encoder = new TextEncoder();

async function withListener(
  body: (port: number, asked: Request[]) => Promise<void>,
  answer: (request: Request) => Response | Promise<Response> = () => new Response("hello"),
  bounds = {},
): Promise<void> {
  const asked: Request[] = [];
  const fetch = (request: Request) => {
    asked.push(request);
    return answer(request);
  };
  const listener = new HttpListener(fetch, LIMITS, { bounds });
  const port = await listener.listen({ host: "127.0.0.1", port: 0 });
  try {
    await body(port, asked);
  } finally {
    await listener.close();
  }
}

/** Sends `text`; resolves with all that was answered once the server hangs up. */
async function untilClosed(port: number, text: string): Promise<string> {
  const connection = await Deno.connect({ port });
  try {
    await connection.write(encoder.encode(text));
    return await new Response(connection.readable).text();
  } catch (error) {
    // A reset is a way to hang up too.
    if (error instanceof Deno.errors.ConnectionReset) return "";
    throw error;
  }
}

const SOON = { headers: 300, request: 300, keepAlive: 300, unread: 300, check: 50 };

Deno.test("a client that does not finish its request, or sends none, is hung up on", () =>
  withListener(
    async (port, asked) => {
      const head = "POST / HTTP/1.1\r\nHost: x\r\n";
      const slow = [
        "",
        head,
        `${head}Content-Length: 100\r\n\r\nabc`,
        `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nab`,
      ];
      const answers = await Promise.all(slow.map((text) => untilClosed(port, text)));
      for (const answer of answers) assert.doesNotMatch(answer, /hello/);
      assert.ok(asked.length <= 2, "only those whose header came");
    },
    async (request) => new Response(`hello ${await request.text()}`),
    SOON,
  ));

Deno.test("a drop of bytes now and then does not keep a connection", () =>
  withListener(
    async (port) => {
      const socket = net.connect(port, "127.0.0.1");
      // A drop that crosses the server's end is answered with a reset: an error first, which once() would throw.
      socket.on("error", () => {});
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
      const timer = setInterval(() => socket.write("a: b\r\n"), 20);
      await closed;
      clearInterval(timer);
    },
    undefined,
    SOON,
  ));

Deno.test("an idle connection is hung up on after its answer", () =>
  withListener(
    async (port) => assert.match(await untilClosed(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), /hello$/),
    undefined,
    SOON,
  ));

Deno.test("a client that does not read is hung up on, in a stream and in a long answer", async (t) => {
  const chunk = new Uint8Array(1 << 20);
  const cancelled = Promise.withResolvers<void>();
  const endless = () =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(chunk),
      cancel: () => cancelled.resolve(),
    });
  const answers = {
    stream: () => new Response(endless(), { headers: { "content-type": "text/event-stream" } }),
    answer: () => new Response(new Uint8Array(64 << 20)),
  };
  for (const [name, answer] of Object.entries(answers)) {
    await t.step(name, () =>
      withListener(
        async (port) => {
          const socket = net.connect(port, "127.0.0.1");
          socket.on("error", () => {});
          socket.pause();
          socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
          await once(socket, "connect");
          // The end of the connection shows only behind what was sent before it: look at the server's side.
          if (name === "stream") await cancelled.promise;
          else await hungUp(port);
          socket.destroy();
        },
        answer,
        SOON,
      ));
  }
});

/** Resolves when the server has no connection to a client of this process any more. */
async function hungUp(port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const established = new RegExp(`^ *\\d+: 0100007F:${hex} \\S+ 01 `, "m");
  while (established.test(await Deno.readTextFile("/proc/self/net/tcp"))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("one peer can't have more than its part of the connections", () =>
  withListener(async (port) => {
    const sockets = Array.from({ length: LIMITS.perPeer }, () => net.connect(port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    assert.equal(await untilClosed(port, ""), "");
    sockets[0]!.destroy();
    await once(sockets[0]!, "close");
    let answer = "";
    // The server hears of the end of a connection a moment later.
    while (!answer.endsWith("hello")) {
      answer = await untilClosed(port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    for (const socket of sockets) socket.destroy();
  }));

Deno.test("damaged and smuggled requests reach no handler", () =>
  withListener(
    async (port, asked) => {
      const head = "POST /a HTTP/1.1\r\nHost: x\r\n";
      for (
        const text of [
          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
          "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
          "GET / HTTP/1.1\r\n\r\n",
          `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(9000)}\r\n\r\n`,
          `GET /${"y".repeat(9000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
          `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n`,
          `${head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
          `${head}Content-Length: -1\r\n\r\n`,
          `${head}Content-Length: 0x3\r\n\r\nabc`,
          "CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        ]
      ) {
        const answer = await untilClosed(port, text);
        assert.doesNotMatch(answer, /hello/, JSON.stringify(text.slice(0, 60)));
      }
      assert.deepEqual(asked.map(({ url }) => url), []);
    },
    undefined,
    SOON,
  ));

Deno.test("a target in absolute form brings its own Host", () =>
  withListener(async (port, asked) => {
    await untilClosed(
      port,
      "GET http://evil.example/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert.equal(asked[0]!.headers.get("host"), "evil.example");
  }));

Deno.test("an answer before the body's end closes the connection: the rest is no request", () =>
  withListener(async (port, asked) => {
    const body = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n";
    const head = `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length + 100}\r\n\r\n`;
    assert.match(await untilClosed(port, head + body), /^HTTP\/1.1 200 OK[^]*hello$/);
    assert.deepEqual(asked.map(({ url }) => new URL(url).pathname), ["/a"]);
  }));

Deno.test("an upgrade is answered as the plain request that it is", () =>
  withListener(async (port) => {
    const text = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert.match(await untilClosed(port, text), /^HTTP\/1.1 200 OK/);
  }));

Deno.test("a method that no Request can have is answered 400", () =>
  withListener(async (port, asked) => {
    const answer = await untilClosed(port, "TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert.match(answer, /^HTTP\/1.1 400 [^]*application\/problem\+json/);
    assert.deepEqual(asked, []);
  }));

Deno.test("a handler that throws ends the connection without a word", () =>
  withListener(
    async (port) => assert.equal(await untilClosed(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ""),
    () => Promise.reject(new Error("secret")),
  ));
