/**
 * Counts UDP datagrams by recvmmsg, from the first until none came for IDLE_MS.
 *
 *     deno run -A bench/udp/receive.ts PORT
 *
 * Prints "ready" when the port is open, and JSON in the end: ReceiveReport. It looks every NAP_NS and never waits in
 * the socket: waking a process costs whoever brings the packet more than the packet does.
 */
import { check, EAGAIN, errno, SyscallError } from "../../ffi/errno.ts";
import { libc } from "../../ffi/libc.ts";
import { AF_INET, MESSAGES, MmsgTable, MSG_DONTWAIT } from "../../ffi/mmsg.ts";
import { SOL_SOCKET } from "../../ffi/raw_socket.ts";
import { MSG_LEN, nativeTable } from "../../ffi/struct_layout.ts";
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
  return fd;
}

function count(fd: number): ReceiveReport {
  const table = datagrams([MAX_PAYLOAD]);
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
    received += n;
    if (last < warm) continue;
    packets += n;
    for (let m = 0; m < n; m++) bytes += table.i32[m * MmsgTable.HEADER_WORDS + (MSG_LEN >> 2)];
  }
}
