/** The demo's traffic: echoes by its own sockets, and a TCP transfer between two processes. */
import { parseIpAddress } from "../actors/control/ip_address.ts";
import { Epoll } from "../ffi/epoll.ts";
import { IcmpEcho } from "../ffi/icmp_echo.ts";
import { withNetns } from "../ffi/netns.ts";
import { addressBytes } from "./address_bytes.ts";
import type { Side } from "./demo_network.ts";

const ECHOES = 5;
/** Milliseconds. */
const ECHO_TIMEOUT = 1000;
const ECHO_INTERVAL = 50;
/** This thread sleeps no longer than that at a time: it has workers to look after. */
const EPOLL_SLICE = 20;

const TCP_PORT = 5001;
const PEER = new URL("./demo_peer.ts", import.meta.url);

export interface Echoes {
  readonly sent: number;
  /** Round-trip times of those that came back, milliseconds. */
  readonly times: readonly number[];
}

/** Sends echo requests one after the other. */
export async function ping(from: Side, to: string, signal: AbortSignal): Promise<Echoes> {
  const dst = addressBytes(parseIpAddress(to)!);
  using stack = new DisposableStack();
  const [echo, epoll] = withNetns(from.fd, () => [new IcmpEcho(dst, Deno.pid), new Epoll()] as const);
  stack.defer(() => echo.close());
  stack.defer(() => epoll.close());
  echo.watch(epoll);
  const times: number[] = [];
  for (let sequence = 1; sequence <= ECHOES; sequence++) {
    signal.throwIfAborted();
    const sentAt = performance.now();
    if (echo.send(sequence) < 0) continue;
    let elapsed = 0;
    let replied = false;
    while (!replied && elapsed < ECHO_TIMEOUT) {
      epoll.wait(EPOLL_SLICE);
      elapsed = performance.now() - sentAt;
      replied = echo.replied(sequence);
      await sleep(0);
    }
    if (replied) times.push(elapsed);
    await sleep(ECHO_INTERVAL);
  }
  return { sent: ECHOES, times };
}

export interface Transfer {
  readonly bytes: number;
  readonly seconds: number;
}

/** Sends by TCP for a while; what is counted is what arrived. Rejects with the signal's reason when it aborts. */
export async function transfer(
  from: Side,
  to: Side,
  address: string,
  seconds: number,
  signal: AbortSignal,
): Promise<Transfer> {
  signal.throwIfAborted();
  await using stack = new AsyncDisposableStack();
  const receiver = spawnPeer(stack, to, ["receive", address, `${TCP_PORT}`]);
  const lines = readLines(receiver.stdout);
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  // The rejection may come when nobody waits any more.
  aborted.catch(() => {});
  await Promise.race([lines.next(), aborted]);
  spawnPeer(stack, from, ["send", address, `${TCP_PORT}`, `${seconds}`]);
  const { value } = await Promise.race([lines.next(), aborted]);
  if (value === undefined) throw new Error("Measure a transfer: the receiver ended without a result");
  return JSON.parse(value);
}

/** Starts a process inside a side's namespace; disposing of the stack ends it. */
function spawnPeer(stack: AsyncDisposableStack, side: Side, words: readonly string[]): Deno.ChildProcess {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-config", "--no-lock", "--allow-net", PEER.href, ...words],
    stdin: "piped",
    stdout: words[0] === "receive" ? "piped" : "null",
    stderr: "inherit",
  });
  // The child gets the thread's namespace, because spawn() forks before it returns.
  const child = withNetns(side.fd, () => command.spawn());
  stack.defer(async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await child.stdin.close().catch(() => {});
    if (words[0] === "receive") await child.stdout.cancel().catch(() => {});
    await child.status;
  });
  return child;
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream() as TransformStream)) {
    text += part;
    const lines = text.split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
