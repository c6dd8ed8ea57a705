/** Two namespaces joined by a veth pair, for the tests of this folder. */
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

/** Runs `fn` with two namespaces whose ends have `mtu`, and removes them whatever happens. */
export async function withVethPair(mtu: number, fn: (a: Side, b: Side) => unknown): Promise<void> {
  const number = ++made;
  const names = ["a", "b"].map((end) => `vtt${Deno.pid}f${number}${end}`);
  const sides: Side[] = [];
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

/** Runs `ip -n NETNS …`; throws with what it said when it fails. */
export function ip(side: Side, words: string): void {
  const args = ["-n", side.netns, ...words.split(" ")];
  const { success, stderr } = new Deno.Command("ip", { args }).outputSync();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
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
