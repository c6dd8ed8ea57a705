/** Requests to the API: bodies, queries and paths, and bytes that are meant to be HTTP. */
import { createApp } from "../../api/app.ts";
import { HttpListener } from "../../api/http_listener.ts";
import { apiOperations } from "../../api/operations.ts";
import { LINK, POLICY, SA, SEL } from "../doubles/api_requests.ts";
import { GatewayDouble } from "../doubles/gateway_double.ts";
import { check, type Target, timedAsync } from "./fuzz.ts";
import { mutate, type Random } from "./random.ts";

const OPERATIONS = apiOperations(AbortSignal.abort());
const ENC = { ...SA, aead: undefined, enc: { name: "cbc(aes)", key: `0x${"11".repeat(16)}` } };
/** Bodies that are good for one call or another. */
const BODIES: readonly unknown[] = [
  LINK,
  { ...LINK, mtu: 1400, up: true },
  SA,
  { ...ENC, auth: { name: "hmac(sha256)", key: "k".repeat(32), trunc_bits: 128 } },
  {
    ...SA,
    encap: { type: "espinudp", sport: 4500, dport: 4500, oaddr: "0.0.0.0" },
    flags: ["esn"],
    replay_window: 64,
  },
  {
    ...SA,
    sel: SEL,
    limits: { byte_hard: 5, time_soft: 9 },
    output_mark: { value: 1, mask: 1 },
    tfcpad: 9,
    if_id: 1,
  },
  POLICY,
  { src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", min: 256, max: 300 },
];
const QUERIES = [
  ...[
    "",
    "keys=true",
    "flush=true",
    "dst=192.0.2.2&proto=esp&spi=4097&mark=7",
    "dir=out&src=0.0.0.0/0&mark=7",
  ],
  ...[
    "dir=out&index=9",
    "proto=esp&mode=tunnel&reqid=1",
    "src=::1&dst=::2&proto=ah&spi=0x1&mark=7&mask=0xff",
  ],
];
const EDGES: readonly unknown[] = [
  ...[
    0,
    -1,
    1.5,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    -(2 ** 53),
    1e308,
    null,
    true,
    "",
    "0",
    "0x",
    "::",
    "/",
  ],
  ...["0.0.0.0/33", "fe80::1%eth0", "\u0000", "\ud800", "__proto__", "x".repeat(300), [], [[]], {}, [null], {
    a: {},
  }],
];
/** Steps until the double is made anew: its states would pile up. */
const STEPS_PER_GATEWAY = 256;

/** Its event streams end at once. */
function freshApp() {
  const closing = AbortSignal.abort();
  return createApp(new GatewayDouble(), { origin: "unix", audit: () => {}, closing });
}

export const API_TARGET: Target = {
  name: "API requests",
  unit: "requests",
  setUp: (random) => {
    let app = freshApp();
    let steps = 0;
    return async () => {
      if (++steps % STEPS_PER_GATEWAY === 0) app = freshApp();
      const { path, ...init } = someRequest(random);
      // Another user each time: they share no limit.
      const peer = { transport: "unix", uid: random.u32() } as const;
      await timedAsync(`${init.method} ${path}`, async () => {
        const response = await app.request(path, init, { peer });
        const text = init.method === "HEAD" ? "" : await response.text();
        const { status } = response;
        const what = `${init.method} ${path} ${init.body}: ${status} ${text.slice(0, 200)}`;
        check(status < 500 || status === 501, what);
        if (status < 400 || text === "") return;
        check(response.headers.get("content-type") === "application/problem+json", what);
        check(JSON.parse(text).status === status, what);
      });
      return 1;
    };
  },
};

interface SomeRequest {
  readonly path: string;
  readonly method: string;
  readonly body: string | null;
}

function someRequest(random: Random): SomeRequest {
  const operation = random.pick(OPERATIONS);
  const method = random.once(20)
    ? random.pick(["HEAD", "OPTIONS", "POST", "DELETE", "PATCH", "PUT"])
    : operation.method.toUpperCase();
  const parts = operation.path.replace("{ns}", "self").replace("{ifname}", "vti1").split("/");
  if (random.once(4)) {
    parts[random.below(parts.length)] = random.pick(["", ".", "..", "%00", "%zz", "self", "x".repeat(300)]);
  }
  const query = someText(random, random.pick(QUERIES), 3);
  const path = `http://localhost/${parts.join("/").slice(1)}${
    query === "" ? "" : `?${encodeURI(query.toWellFormed())}`
  }`;
  const body = method === "GET" || method === "HEAD" ? null : someBody(random);
  return { path, method, body };
}

function someBody(random: Random): string {
  const body = structuredClone(random.pick(BODIES));
  for (let i = random.below(3); i > 0; i--) damage(random, body);
  return someText(random, JSON.stringify(body), 6);
}

/** Puts something else in the place of a member, takes it away, or adds one. */
function damage(random: Random, value: unknown): void {
  let at = value as Record<string, unknown>;
  for (;;) {
    const names = Object.keys(at);
    const name = names.length === 0 || random.once(8) ? "bogus" : random.pick(names);
    const inner = at[name];
    if (typeof inner === "object" && inner !== null && !random.once(3)) {
      at = inner as Record<string, unknown>;
      continue;
    }
    if (random.once(4)) delete at[name];
    else at[name] = structuredClone(random.pick(EDGES));
    return;
  }
}

/** The text, its bytes damaged once in `rarely` times. */
function someText(random: Random, text: string, rarely: number): string {
  if (!random.once(rarely)) return text;
  const bytes = new TextEncoder().encode(text);
  const buffer = new Uint8Array(bytes.length + 64);
  buffer.set(bytes);
  return new TextDecoder().decode(buffer.subarray(0, mutate(random, buffer, bytes.length)));
}

const HEADS = [
  "GET /v1/netns HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "POST /v1/netns/self/links HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
  "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
  "GET / HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: Bearer x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
].map((head) => new TextEncoder().encode(head));
const CONNECTIONS = 16;

/** `directory` is for the socket. */
export function httpTarget(directory: string): Target & AsyncDisposable {
  const path = `${directory}/fuzz.sock`;
  const app = freshApp();
  const bounds = { headers: 200, request: 200, keepAlive: 200, check: 50 };
  let uid = 0;
  const credentials = () => ({ uid: ++uid, gid: 0, pid: 1 });
  const listener = new HttpListener(app.fetch, { total: 64, perPeer: 64 }, { bounds, credentials });
  const listening = listener.listen({ path });
  return {
    name: "bytes as HTTP",
    unit: "connections",
    setUp: (random) => async () => {
      await listening;
      const sent = Array.from({ length: CONNECTIONS }, () => {
        const buffer = new Uint8Array(4096);
        const head = random.pick(HEADS);
        buffer.set(head);
        return buffer.slice(0, mutate(random, buffer, head.length));
      });
      await Promise.all(sent.map((bytes) => converse(path, bytes)));
      const sound = await converse(path, HEADS[0]!);
      check(sound.startsWith("HTTP/1.1 200 OK"), `a sound request was answered ${sound.slice(0, 200)}`);
      return CONNECTIONS;
    },
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

/** Sends bytes and no more, and reads until the server hangs up. */
async function converse(path: string, bytes: Uint8Array): Promise<string> {
  const connection = await Deno.connect({ transport: "unix", path });
  const part = new Uint8Array(4096);
  const decoder = new TextDecoder();
  let text = "";
  try {
    await connection.write(bytes);
    await connection.closeWrite();
    for (let n = await connection.read(part); n !== null; n = await connection.read(part)) {
      text += decoder.decode(part.subarray(0, n), { stream: true });
    }
    return text;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) return text;
    throw error;
  } finally {
    connection.close();
  }
}
