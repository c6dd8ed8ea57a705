/** A datagram to the service manager's socket (sd_notify(3)): Deno itself has none for unix sockets. */
import { check } from "./errno.ts";
import { close } from "./io.ts";
import { libc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** struct sockaddr_un: family (2), path (108). */
const SUN_PATH = 2;
const SUN_PATH_BYTES = 108;

export class NotifySocket implements Disposable {
  readonly #fd: number;

  /** `address` is $NOTIFY_SOCKET: a path, or "@name" of an abstract socket. Throws SyscallError, or for a long path. */
  constructor(address: string) {
    const action = `Reach the service manager at ${address}`;
    const name = new TextEncoder().encode(address.replace(/^@/, "\0"));
    if (name.length >= SUN_PATH_BYTES) throw new Error(`${action}: longer than ${SUN_PATH_BYTES - 1} bytes`);
    const sockaddr = new Uint8Array(SUN_PATH + name.length);
    sockaddr[0] = AF_UNIX;
    sockaddr.set(name, SUN_PATH);
    this.#fd = check(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), action, "socket");
    try {
      check(libc.connect(this.#fd, sockaddr, sockaddr.length), action, "connect");
    } catch (error) {
      close(this.#fd);
      throw error;
    }
  }

  /** Lines of "NAME=value". A manager that is gone, or slow, is no reason to stop. */
  send(...lines: readonly string[]): void {
    const bytes = new TextEncoder().encode(lines.join("\n"));
    libc.send(this.#fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL);
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}
