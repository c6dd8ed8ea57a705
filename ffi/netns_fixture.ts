/** Two namespaces joined by a veth pair, for the tests of this folder. */
import { Epoll, EPOLLIN } from "./epoll.ts";
import { check } from "./errno.ts";
import { close } from "./io.ts";
import { libc } from "./libc.ts";
import { createNetns, deleteNetns, openNetns, withNetns } from "./netns.ts";
import { setBuffers } from "./raw_socket.ts";
import { swap16 } from "./struct_layout.ts";

export interface Side {
  readonly netns: string;
  readonly fd: number;
  readonly device: string;
  /** IPv4 address of its end, as text and as u32 in host order. */
  readonly address: string;
  readonly u32: number;
}

let made = 0;

/**
 * Runs `fn` with two namespaces whose ends have `mtu`, and removes them whatever happens.
 *
 * The thread stays on one processor meanwhile: what is sent waits in a queue of the processor it was sent on (netif_rx),
 * so a thread that the kernel moves to another one may overtake its own packets there.
 */
export async function withVethPair(mtu: number, fn: (a: Side, b: Side) => unknown): Promise<void> {
  const number = ++made;
  const names = ["a", "b"].map((end) => `vtt${Deno.pid}f${number}${end}`);
  const sides: Side[] = [];
  const unpin = pinThread();
  try {
    for (const [i, netns] of names.entries()) {
      createNetns(netns);
      sides.push({
        netns,
        fd: openNetns(netns),
        device: "veth0",
        address: `10.77.0.${i + 1}`,
        u32: 0x0a4d0001 + i,
      });
    }
    const [a, b] = sides;
    ip(a, `link add ${a.device} mtu ${mtu} type veth peer name ${b.device} netns ${b.netns} mtu ${mtu}`);
    for (const side of sides) {
      ip(side, "link set lo up");
      ip(side, `address add ${side.address}/24 dev ${side.device}`);
      ip(side, `link set ${side.device} up`);
    }
    await fn(a, b);
  } finally {
    unpin();
    for (const side of sides) close(side.fd);
    for (const name of names) {
      try {
        deleteNetns(name);
      } catch {
        // It was never made; the error of making it is the one to show.
      }
    }
  }
}

/** Keeps the calling thread on the processor that it is on; returns what lets it go again. */
function pinThread(): () => void {
  const thread = Deno.readLinkSync("/proc/thread-self").split("/").at(-1)!;
  const [allowed] = /(?<=^Cpus_allowed_list:\s)\S+/m.exec(Deno.readTextFileSync(`/proc/${thread}/status`))!;
  // Field 39, processor; the command in field 2 may have spaces.
  const cpu = Deno.readTextFileSync(`/proc/${thread}/stat`).replace(/^.*\) /s, "").split(" ")[36]!;
  const set = (cpus: string): void => run("taskset", ["--pid", "--cpu-list", cpus, thread]);
  set(cpu);
  return () => set(allowed);
}

function run(command: string, args: readonly string[]): void {
  const { success, stderr } = new Deno.Command(command, { args: [...args] }).outputSync();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Runs `ip -n NETNS …`; throws with what it said when it fails. */
export function ip(side: Side, words: string): void {
  run("ip", ["-n", side.netns, ...words.split(" ")]);
}

/** Runs `fn` inside a side's namespace. */
export function inside<T>(side: Side, fn: () => T): T {
  return withNetns(side.fd, fn);
}

/** Opens a socket that sees every packet of an EtherType in the calling thread's namespace, from the IP header on. */
export function openPacketSocket(etherType = 0x0800): number {
  const AF_PACKET = 17;
  const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
  const fd = check(
    libc.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK_CLOEXEC, swap16(etherType)),
    "Watch packets",
    "socket",
  );
  setBuffers(fd);
  return fd;
}

/**
 * Waits until a packet socket has seen `count` packets, and returns what it has seen. On one processor they have also
 * reached the sockets behind it: a softirq that has shown a packet to it is not interrupted by a thread.
 */
export function awaitPackets(fd: number, count: number): ReturnType<typeof readPackets> {
  const epoll = new Epoll();
  epoll.add(fd, EPOLLIN, 1);
  try {
    const seen = [];
    while (seen.length < count) {
      if (epoll.wait(5000) === 0) throw new Error(`${seen.length} of ${count} packets came`);
      seen.push(...readPackets(fd));
    }
    return seen;
  } finally {
    epoll.close();
  }
}

/** The packets that a packet socket has seen so far. */
export function readPackets(fd: number): { readonly length: number; readonly view: DataView }[] {
  const packets = [];
  const buffer = new Uint8Array(65536);
  for (;;) {
    const length = libc.recv(fd, buffer, BigInt(buffer.length), 0);
    if (length < 0) return packets;
    packets.push({ length, view: new DataView(buffer.slice(0, length).buffer) });
  }
}

/** Interface index of a side's device. */
export function ifindexOf(side: Side): number {
  const text = inside(side, () => Deno.readTextFileSync("/proc/thread-self/net/dev_mcast"));
  const line = text.split("\n").find((row) => row.split(/\s+/)[1] === side.device);
  if (line === undefined) throw new Error(`${side.device} is not in ${text}`);
  return Number(line.split(/\s+/)[0]);
}
