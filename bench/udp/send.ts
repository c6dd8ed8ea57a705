/**
 * Sends UDP datagrams by sendmmsg for some seconds, as fast as the kernel takes them or at a rate.
 *
 *     deno run -A bench/udp/send.ts ADDRESS PORT --payload BYTES,... --seconds N [--rate PACKETS_PER_SECOND]
 *
 * The payloads' lengths follow each other in the order given, again and again. Prints JSON: SendReport.
 */
import { parseArgs } from "node:util";
import { check, EAGAIN, EINTR, ENOBUFS, errno, SyscallError } from "../../ffi/errno.ts";
import { libc } from "../../ffi/libc.ts";
import { AF_INET, MESSAGES } from "../../ffi/mmsg.ts";
import { nativeTable } from "../../ffi/struct_layout.ts";
import { datagrams, SOCK_DGRAM, socketAddress } from "./datagram.ts";

export interface SendReport {
  /** Packets that the kernel took. */
  readonly sent: number;
  readonly seconds: number;
}

/** Time to sleep when nothing is due, nanoseconds: what is due then fits one call up to 640,000 packets a second. */
const NAP_NS = 100_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    payload: { type: "string", default: "64" },
    seconds: { type: "string", default: "1" },
    rate: { type: "string", default: "Infinity" },
  },
});
const [address = "127.0.0.1", port = "0"] = positionals;
const fd = connected(address, Number(port));
const lengths = values.payload.split(",").map(Number);
console.log(JSON.stringify(send(fd, lengths, Number(values.seconds), Number(values.rate))));

function connected(address: string, port: number): number {
  const fd = check(libc.socket(AF_INET, SOCK_DGRAM, 0), "Open a UDP socket", "socket");
  const name = socketAddress(address, port);
  check(libc.connect(fd, name, name.length), `Connect to ${address}`, "connect");
  return fd;
}

/**
 * 1. Packets that are due by now; without a rate, as many as one call takes.
 * 2. Nothing due: sleep.
 * 3. One call, from where the lengths' cycle stands. A full queue is no error: what was not taken is tried again.
 */
function send(fd: number, lengths: readonly number[], seconds: number, rate: number): SendReport {
  const table = datagrams(lengths, 0);
  const nap = nativeTable(16);
  nap.i32[2] = NAP_NS;
  const start = performance.now();
  let sent = 0;
  for (;;) {
    const elapsed = (performance.now() - start) / 1000;
    if (elapsed >= seconds) return { sent, seconds: elapsed };
    // 1.
    const at = sent % lengths.length;
    const due = Math.min(Math.floor(elapsed * rate) - sent, MESSAGES - at);
    // 2.
    if (due <= 0) {
      libc.nanosleep(nap.pointer, null);
      continue;
    }
    // 3.
    const taken = libc.sendmmsg(fd, table.pointers[at], due, 0);
    if (taken > 0) sent += taken;
    else if (![EAGAIN, EINTR, ENOBUFS].includes(errno())) {
      throw new SyscallError(`Send ${due} datagrams`, "sendmmsg", errno());
    }
  }
}
