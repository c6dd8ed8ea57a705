/**
 * The API on its two sockets: a unix socket that its mode guards, and loopback TCP that a token guards.
 */
import type { Gateway } from "../actors/gateway.ts";
import { createApp } from "./app.ts";

/** Owner and group may ask. */
const SOCKET_MODE = 0o660;
const TOKEN_MODE = 0o600;
const TOKEN_BYTES = 32;
/** Milliseconds that a request may still take once the server closes. */
const SHUTDOWN_MS = 2000;
const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

export interface ApiServer {
  /** Where it listens: a path, or HOST:PORT with the port that it got. */
  readonly address: string;
  /** Ends the event streams, lets requests finish, takes the socket away. */
  close(): Promise<void>;
}

/** Listens on a unix socket. Throws when another daemon answers there; one that is dead is replaced. */
export async function serveUnix(gateway: Gateway, path: string): Promise<ApiServer> {
  await removeStaleSocket(path);
  const closing = new AbortController();
  const app = createApp(gateway, { origin: "unix", closing: closing.signal });
  const server = Deno.serve({ path, onListen: () => {} }, app.fetch);
  // Deno.serve() leaves 0755: nobody but the owner can connect until here.
  await Deno.chmod(path, SOCKET_MODE);
  return {
    address: path,
    async close() {
      await shutdown(server, closing);
      await Deno.remove(path).catch(ignoreNotFound);
    },
  };
}

/** Listens on loopback; port 0 takes a free one. Throws for any other address: the API has no TLS of its own. */
export function serveTcp(
  gateway: Gateway,
  { hostname, port }: { readonly hostname: string; readonly port: number },
  token: string,
): ApiServer {
  if (!isLoopback(hostname)) {
    throw new Error(`Cannot listen on ${hostname}:${port}: not loopback, and there is no TLS`);
  }
  const closing = new AbortController();
  const hosts = [...LOOPBACK_HOSTS, bracketed(hostname)];
  const app = createApp(gateway, { origin: "tcp", token, hosts, closing: closing.signal });
  const server = Deno.serve({ hostname, port, onListen: () => {} }, app.fetch);
  return {
    address: `${bracketed(hostname)}:${server.addr.port}`,
    close: () => shutdown(server, closing),
  };
}

/** Writes a new token that only the owner can read, and returns it. */
export async function makeTokenFile(path: string): Promise<string> {
  const bytes = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
  const token = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  // A new file, so that it does not keep the mode, or the symlink, of one that was there.
  await Deno.remove(path).catch(ignoreNotFound);
  await Deno.writeTextFile(path, `${token}\n`, { mode: TOKEN_MODE, createNew: true });
  return token;
}

async function shutdown(server: Deno.HttpServer, closing: AbortController): Promise<void> {
  closing.abort();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<void>((resolve) => timer = setTimeout(resolve, SHUTDOWN_MS));
  await Promise.race([server.shutdown(), patience]);
  clearTimeout(timer);
}

async function removeStaleSocket(path: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.ConnectionRefused) return await Deno.remove(path);
    throw error;
  }
  throw new Error(`Cannot listen on ${path}: another daemon answers there`);
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127\.[0-9]+\.[0-9]+\.[0-9]+$/.test(hostname);
}

/** As it stands in a Host header. */
function bracketed(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
