/**
 * HTTP/1.1 for the application, with every wait bounded: node:http, because Deno.serve() waits for ever for the rest of
 * a header (measured: 500 silent connections stayed open), tells no peer apart and has no limit of connections.
 */
import http, {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { type Peer, peerKey } from "./caller.ts";
import { httpProblem } from "./problem.ts";
import type { Tls } from "./tls.ts";

/** How long each step may take, milliseconds. */
const BOUNDS = {
  /** From the connection to the end of the TLS handshake. */
  handshake: 5000,
  /** From there, or the answer before, to the end of a header. */
  headers: 5000,
  /** From the first byte of a request to its last. */
  request: 10_000,
  /** Idle, between two requests. */
  keepAlive: 5000,
  /** How long a client may leave an answer, or a part of an event stream, unread. */
  unread: 30_000,
  /** How often the limits are looked at. */
  check: 500,
  /** How long a request may still take once the server closes. */
  shutdown: 2000,
};
type Bounds = typeof BOUNDS;

/** Bytes of all headers together. */
const MAX_HEADER_BYTES = 8192;
const MAX_REQUESTS_PER_CONNECTION = 1000;

/** uid, gid and pid behind a descriptor of a unix socket, or null. */
export type Credentials = (fd: number) => { uid: number; gid: number; pid: number } | null;

type Fetch = (request: Request, env: { readonly peer: Peer }) => Response | Promise<Response>;

interface ListenerOptions {
  readonly tls?: Tls;
  readonly credentials?: Credentials;
  /** A test has no time for the usual ones. */
  readonly bounds?: Partial<Bounds>;
}

export class HttpListener {
  readonly #server: Server | https.Server;
  readonly #peers = new WeakMap<Socket, Peer>();
  readonly #sockets = new Set<Socket>();
  readonly #perPeer = new Map<string, number>();
  readonly #bounds: Bounds;
  #transport: Peer["transport"] = "tcp";

  constructor(
    readonly fetch: Fetch,
    readonly limits: { readonly total: number; readonly perPeer: number },
    readonly options: ListenerOptions,
  ) {
    const bounds = this.#bounds = { ...BOUNDS, ...options.bounds };
    const settings = {
      headersTimeout: bounds.headers,
      requestTimeout: bounds.request,
      keepAliveTimeout: bounds.keepAlive,
      connectionsCheckingInterval: bounds.check,
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    const answer: RequestListener = (req, res) => void this.#answer(req, res);
    const { tls } = options;
    this.#server = tls === undefined
      ? http.createServer(settings, answer)
      : https.createServer({ ...settings, ...secure(tls), handshakeTimeout: bounds.handshake }, answer);
    this.#server.maxConnections = limits.total;
    this.#server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
    this.#server.on("connection", (socket: Socket) => this.#admit(socket));
    // Damaged requests and expired waits: there is nothing to say to such a peer, and nothing to log.
    this.#server.on("clientError", (_, socket) => socket.destroy());
    this.#server.on("tlsClientError", (_, socket) => socket.destroy());
    // WebSocket and tunnels are not served.
    this.#server.on("connect", (_, socket) => socket.destroy());
  }

  /** Resolves with the port, 0 for a path. Rejects when the address can't be had. */
  listen(
    where: { readonly path: string } | { readonly host: string; readonly port: number },
  ): Promise<number> {
    if ("path" in where) this.#transport = "unix";
    return new Promise((resolve, reject) => {
      this.#server.once("error", ({ code, message }: Error & { code?: string }) => {
        const address = "path" in where ? where.path : `${where.host}:${where.port}`;
        reject(new Error(`Cannot listen on ${address}: ${code ?? message}`));
      });
      this.#server.listen({ ...where }, () => {
        const address = this.#server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  }

  /** Connections from now on get this certificate. Throws when key and certificate do not fit. */
  renew(tls: Tls): void {
    (this.#server as https.Server).setSecureContext(secure(tls));
  }

  /** Listens no more, lets requests finish for a moment, then hangs up. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(
      () => this.#sockets.forEach((socket) => socket.destroy()),
      this.#bounds.shutdown,
    );
    await closed;
    clearTimeout(timer);
  }

  /** Counts a connection to its peer; one too many is hung up on at once. */
  #admit(socket: Socket): void {
    const peer = this.#peer(socket);
    const key = peerKey(peer);
    const open = this.#perPeer.get(key) ?? 0;
    if (open >= this.limits.perPeer) return void socket.destroy();
    this.#perPeer.set(key, open + 1);
    this.#peers.set(socket, peer);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = this.#perPeer.get(key)! - 1;
      if (left === 0) this.#perPeer.delete(key);
      else this.#perPeer.set(key, left);
    });
  }

  #peer(socket: Socket): Peer {
    // A connection that is gone already has no address any more.
    if (this.#transport === "tcp") return { transport: "tcp", address: socket.remoteAddress ?? "unknown" };
    // Node has no public name for the descriptor.
    const fd = (socket as Socket & { _handle?: { fd?: number } })._handle?.fd ?? -1;
    return { transport: "unix", ...(fd >= 0 ? this.options.credentials?.(fd) : null) };
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const peer = this.#peers.get(req.socket) ?? this.#peer(req.socket);
    try {
      await this.#send(await this.#fetch(req, peer), req, res);
    } catch {
      // An event stream that failed, or a client that is gone.
      req.socket.destroy();
    }
  }

  async #fetch(req: IncomingMessage, peer: Peer): Promise<Response> {
    let request;
    try {
      request = toRequest(req);
    } catch {
      // A method or header that no Request can have, as TRACE.
      return httpProblem(400, "Bad Request", "Cannot read the request: not HTTP as it is served");
    }
    return await this.fetch(request, { peer });
  }

  async #send(response: Response, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const headers = Object.fromEntries(response.headers);
    // What is left of a body can't be told from a next request.
    if (!req.complete) headers["connection"] = "close";
    const isStream = response.headers.get("content-type") === "text/event-stream";
    if (isStream && response.body !== null) {
      res.writeHead(response.status, headers);
      return await this.#stream(response.body, res);
    }
    const body = await response.bytes();
    if (body.length > 0) headers["content-length"] = `${body.length}`;
    res.writeHead(response.status, headers).end(body);
    await this.#patiently(res, "finish");
  }

  /** Writes what comes until it ends or the client is gone. */
  async #stream(body: ReadableStream<Uint8Array>, res: ServerResponse): Promise<void> {
    const reader = body.getReader();
    const { socket } = res.req;
    const cancel = () => void reader.cancel().catch(() => {});
    res.once("close", cancel);
    // An answer that waits for its turn within the connection hears of no end.
    if (socket.destroyed) cancel();
    else socket.once("close", cancel);
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (!res.write(part.value)) await this.#patiently(res, "drain");
    }
    res.end();
  }

  /** Waits for the client to read; hangs up on one that does not. */
  async #patiently(res: ServerResponse, event: "drain" | "finish"): Promise<void> {
    const { socket } = res.req;
    if (res.destroyed || res.writableFinished || socket.destroyed) return;
    const timer = setTimeout(() => res.destroy(), this.#bounds.unread);
    await new Promise<void>((resolve) => {
      const done = () => {
        res.off(event, done);
        res.off("close", done);
        socket.off("close", done);
        resolve();
      };
      res.once(event, done);
      res.once("close", done);
      // As above: the answer may not have had its turn.
      socket.once("close", done);
    });
    clearTimeout(timer);
  }
}

function secure({ cert, key }: Tls) {
  return { cert, key, minVersion: "TLSv1.2" as const };
}

/** Throws for what no Request can have. A target in absolute form brings its own Host (RFC 9112 §3.2.2). */
function toRequest(req: IncomingMessage): Request {
  const url = new URL(req.url!, "http://localhost");
  const headers = new Headers();
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    headers.append(req.rawHeaders[i]!, req.rawHeaders[i + 1]!);
  }
  if (!req.url!.startsWith("/")) headers.set("host", url.host);
  const { method = "GET" } = req;
  const hasBody = method !== "GET" && method !== "HEAD";
  // Read only when the application asks for it: whoever may not ask can't make it hold a body.
  const body = hasBody ? Readable.toWeb(req) as ReadableStream<Uint8Array<ArrayBuffer>> : null;
  return new Request(url, { method, headers, body });
}
