/** A unix datagram socket, as a service manager listens on. */
import assert from "node:assert/strict";
import { close } from "../../ffi/io.ts";
import { libc } from "../../ffi/libc.ts";

const [AF_UNIX, SOCK_DGRAM] = [1, 2];

export interface DatagramSocket extends Disposable {
  /** The next datagram as text; waits for one. */
  receive(): string;
}

/** `address` is a path, or "@name" for an abstract one. */
export function datagramSocket(address: string): DatagramSocket {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM, 0);
  const name = new TextEncoder().encode(address.replace(/^@/, "\0"));
  const sockaddr = new Uint8Array(2 + name.length);
  sockaddr[0] = AF_UNIX;
  sockaddr.set(name, 2);
  assert.equal(libc.bind(fd, sockaddr, sockaddr.length), 0, `can't bind ${address}`);
  return {
    receive() {
      const bytes = new Uint8Array(1000);
      const n = libc.recv(fd, bytes, 1000n, 0);
      return new TextDecoder().decode(bytes.subarray(0, n));
    },
    [Symbol.dispose]: () => close(fd),
  };
}
