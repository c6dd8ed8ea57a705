/**
 * Counts UDP datagrams by recvmmsg, from the first until none came for IDLE_MS. Those that the path has joined it takes
 * joined (UDP_GRO): to take them apart would cost the path more than to carry them.
 *
 *     deno run -A bench/udp/receive.ts PORT
 *
 * Prints "ready" when the port is open, and JSON in the end: ReceiveReport. It looks every NAP_NS and never waits in
 * the socket: waking a process costs whoever brings the packet more than the packet does.
 */
import { check, EAGAIN, errno, SyscallError } from "../../ffi/errno.ts";
import { libc } from "../../ffi/libc.ts";
import { AF_INET, INT_CMSG_BYTES, MESSAGES, MmsgTable, MSG_DONTWAIT } from "../../ffi/mmsg.ts";
import { SOL_SOCKET } from "../../ffi/raw_socket.ts";
import { MSG_CONTROLLEN, MSG_LEN, nativeTable } from "../../ffi/struct_layout.ts";
import { datagrams, MAX_PAYLOAD, SOCK_DGRAM, socketAddress } from "./datagram.ts";

export interface ReceiveReport {
  /** All packets. */
  readonly received: number;
  /** Packets and payload bytes after the first WARM_UP_MS, and the time they took. */
  readonly packets: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Until the code of whatever is measured is compiled, milliseconds. */
const WARM_UP_MS = 1000;
const IDLE_MS = 400;
/** Milliseconds until the first packet must have come. */
const PATIENCE_MS = 10_000;
/** Bytes that may wait in the socket, so that the counter is not what loses packets. */
const BUFFER_BYTES = 64 << 20;
const SO_RCVBUFFORCE = 33;
const IPPROTO_UDP = 17;
const UDP_GRO = 104;
/** Between two looks, nanoseconds. */
const NAP_NS = 1_000_000;

const fd = opened(Number(Deno.args[0]));
console.log("ready");
console.log(JSON.stringify(count(fd)));

function opened(port: number): number {
  const fd = check(libc.socket(AF_INET, SOCK_DGRAM, 0), "Open a UDP socket", "socket");
  const name = socketAddress("0.0.0.0", port);
  check(libc.bind(fd, name, name.length), `Bind port ${port}`, "bind");
  const bytes = Int32Array.of(BUFFER_BYTES);
  check(libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes, 4), "Set the socket's buffer", "setsockopt");
  check(
    libc.setsockopt(fd, IPPROTO_UDP, UDP_GRO, Int32Array.of(1), 4),
    "Take joined datagrams",
    "setsockopt",
  );
  return fd;
}

/** Datagrams of message `m`, whose control data is made ready for the next call. */
function datagramsOf(table: MmsgTable, m: number, bytes: number): number {
  const size = table.findControl(m, IPPROTO_UDP, UDP_GRO);
  table.i32[m * MmsgTable.HEADER_WORDS + (MSG_CONTROLLEN >> 2)] = INT_CMSG_BYTES;
  return size < 0 ? 1 : Math.ceil(bytes / table.i32[size]);
}

function count(fd: number): ReceiveReport {
  const table = datagrams([MAX_PAYLOAD], INT_CMSG_BYTES);
  const nap = nativeTable(16);
  nap.i32[2] = NAP_NS;
  let received = 0, packets = 0, bytes = 0, warm = 0;
  let last = performance.now() + PATIENCE_MS;
  for (;;) {
    const n = libc.recvmmsg(fd, table.pointers[0], MESSAGES, MSG_DONTWAIT, null);
    if (n <= 0) {
      if (errno() !== EAGAIN) throw new SyscallError("Receive datagrams", "recvmmsg", errno());
      if (performance.now() > last + IDLE_MS) {
        return { received, packets, bytes, seconds: Math.max(last - warm, 0) / 1000 };
      }
      libc.nanosleep(nap.pointer, null);
      continue;
    }
    last = performance.now();
    if (received === 0) warm = last + WARM_UP_MS;
    for (let m = 0; m < n; m++) {
      const length = table.i32[m * MmsgTable.HEADER_WORDS + (MSG_LEN >> 2)];
      const joined = datagramsOf(table, m, length);
      received += joined;
      if (last < warm) continue;
      packets += joined;
      bytes += length;
    }
  }
}
