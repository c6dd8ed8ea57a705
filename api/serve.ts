/**
 * The API on its sockets: a unix socket that its mode guards, and TCP that tokens guard, with TLS for anything but
 * loopback.
 */
import type { Gateway } from "../actors/gateway.ts";
import { createApp } from "./app.ts";
import type { Audit } from "./audit.ts";
import { type Credentials, HttpListener } from "./http_listener.ts";
import { certificateHas, readTls, type TlsFiles } from "./tls.ts";
import type { TokenLookup } from "./tokens.ts";

/** Owner and group may ask. */
const SOCKET_MODE = 0o660;
const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];
/** One peer may have a part of the connections only, so that the others find room. */
const UNIX_CONNECTIONS = { total: 512, perPeer: 256 };
const TCP_CONNECTIONS = { total: 256, perPeer: 64 };

export interface ApiServer {
  /** Where it listens: a path, or HOST:PORT with the port that it got. */
  readonly address: string;
  /** Takes a renewed certificate. Throws when it can't; the one before stays then. */
  reload(): void;
  /** Ends the event streams, lets requests finish, takes the socket away. */
  close(): Promise<void>;
}

export interface UnixOptions {
  readonly path: string;
  /** Group of the socket; absent: the daemon's own. */
  readonly gid?: number;
  /** SO_PEERCRED of a connection's descriptor. */
  readonly credentials?: Credentials;
  readonly audit?: Audit;
}

export interface TcpOptions {
  readonly hostname: string;
  readonly port: number;
  readonly tokens: TokenLookup;
  readonly tls?: TlsFiles;
  readonly audit?: Audit;
}

/** Listens on a unix socket. Throws when another daemon answers there; one that is dead is replaced. */
export async function serveUnix(gateway: Gateway, options: UnixOptions): Promise<ApiServer> {
  const { path, gid, credentials, audit } = options;
  await removeStaleSocket(path);
  const closing = new AbortController();
  const app = createApp(gateway, { origin: "unix", closing: closing.signal, ...(audit && { audit }) });
  const listener = new HttpListener(app.fetch, UNIX_CONNECTIONS, { ...(credentials && { credentials }) });
  await listener.listen({ path });
  // Until here nobody but the owner can connect: listen() leaves what the umask left, and no group of ours.
  if (gid !== undefined) await Deno.chown(path, null, gid);
  await Deno.chmod(path, SOCKET_MODE);
  return {
    address: path,
    reload() {},
    async close() {
      closing.abort();
      await listener.close();
      await Deno.remove(path).catch(ignoreNotFound);
    },
  };
}

/** Listens on TCP; port 0 takes a free one. Throws for an address other than loopback without TLS. */
export async function serveTcp(gateway: Gateway, options: TcpOptions): Promise<ApiServer> {
  const { hostname, port, tokens, audit } = options;
  if (options.tls === undefined && !isLoopback(hostname)) {
    throw new Error(
      `Cannot listen on ${hostname}:${port}: not loopback, and there is no --tls-cert and --tls-key`,
    );
  }
  let tls = options.tls && readTls(options.tls);
  const known = new Set([...LOOPBACK_HOSTS, bracketed(hostname)]);
  const isOurs = (name: string) => known.has(name) || (tls !== undefined && certificateHas(tls.cert, name));
  const closing = new AbortController();
  const app = createApp(gateway, {
    ...{ origin: "tcp", tokens, isOurs, closing: closing.signal },
    ...(audit && { audit }),
  });
  const listener = new HttpListener(app.fetch, TCP_CONNECTIONS, { ...(tls && { tls }) });
  const got = await listener.listen({ host: hostname, port });
  return {
    address: `${bracketed(hostname)}:${got}`,
    reload() {
      if (options.tls === undefined) return;
      const renewed = readTls(options.tls);
      listener.renew(renewed);
      tls = renewed;
    },
    async close() {
      closing.abort();
      await listener.close();
    },
  };
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
