/** A netlink socket that asks the kernel one thing at a time. */
import { check, EAGAIN, EINTR, EINVAL, errno, ETIMEDOUT, SyscallError } from "./errno.ts";
import { close, setSocketOption } from "./io.ts";
import { libc } from "./libc.ts";
import {
  netlinkError,
  type NetlinkMessage,
  netlinkMessages,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "./netlink_message.ts";
import { SOCK_CLOEXEC, SOL_SOCKET } from "./raw_socket.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const SO_RCVTIMEO = 20;
const SOCKADDR_NL_BYTES = 12;

/** Longest wait for an answer, seconds. */
const ANSWER_SECONDS = 1n;
/** The kernel's answers to dumps have at most 32 KiB. */
const RECEIVE_BYTES = 65536;
/** A dump during which something changed is asked for again, so often at the most. */
const MAX_DUMPS = 8;

/**
 * Opens a netlink socket in the calling thread's namespace, of rtnetlink unless told, member of the multicast `groups`
 * (bits), with the `flags` of socket(2). Throws SyscallError.
 */
export function openNetlink(groups = 0, flags = 0, protocol = NETLINK_ROUTE): number {
  const action = "Open a netlink socket";
  const fd = check(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol), action, "socket");
  try {
    setSocketOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1, "NETLINK_CAP_ACK");
    setSocketOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1, "NETLINK_EXT_ACK");
    const timeout = BigInt64Array.of(ANSWER_SECONDS, 0n);
    check(libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, 16), action, "setsockopt SO_RCVTIMEO");
    const address = new Uint8Array(SOCKADDR_NL_BYTES);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, groups, true);
    check(libc.bind(fd, address, SOCKADDR_NL_BYTES), action, "bind");
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Blocking requests over one socket. */
export class NetlinkSocket {
  readonly fd: number;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #sequence = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Sends a request that changes something and waits for its acknowledgement. Throws SyscallError. */
  change(request: NetlinkRequest, action: string): void {
    const refused = this.ask(request, NLM_F_ACK, () => {});
    if (refused !== null) throw new NetlinkRefusal(action, refused);
  }

  /** Asks for all of something; `each` gets every message. Throws SyscallError. */
  dump<T>(request: () => NetlinkRequest, action: string, each: (message: NetlinkMessage) => T | null): T[] {
    for (let tries = 1;; tries++) {
      const found: T[] = [];
      let interrupted = false;
      const refused = this.ask(request(), NLM_F_DUMP, (message) => {
        if (message.flags & NLM_F_DUMP_INTR) interrupted = true;
        const item = each(message);
        if (item !== null) found.push(item);
      });
      if (refused !== null) throw new NetlinkRefusal(action, refused);
      if (!interrupted || tries === MAX_DUMPS) return found;
    }
  }

  /**
   * Sends a request and passes the messages that answer it to `each`. Returns null, or what the kernel refused it
   * with. Ends at the acknowledgement, an error, the end of a dump, or the first message of a request that asks for
   * neither. Throws SyscallError when the socket fails or no answer comes within ANSWER_SECONDS.
   */
  ask(request: NetlinkRequest, flags: number, each: (message: NetlinkMessage) => void): Refusal | null {
    const sequence = this.#sequence = (this.#sequence + 1) >>> 0;
    const bytes = request.finish(sequence);
    new DataView(bytes.buffer).setUint16(6, request.flags | flags | 1, true);
    check(libc.send(this.fd, bytes, BigInt(bytes.length), 0), "Ask rtnetlink", "send");
    for (;;) {
      for (const message of netlinkMessages(this.#receive())) {
        // A late answer to an earlier request that timed out.
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_ERROR) {
          const refusal = netlinkError(message);
          return refusal.errno === 0 ? null : refusal;
        }
        if (message.type === NLMSG_DONE) return null;
        each(message);
        if ((flags & (NLM_F_ACK | NLM_F_DUMP)) === 0) return null;
      }
    }
  }

  #receive(): Uint8Array {
    for (;;) {
      const n = libc.recv(this.fd, this.#buffer, BigInt(RECEIVE_BYTES), 0);
      if (n >= 0) return this.#buffer.subarray(0, n);
      const error = errno();
      if (error === EINTR) continue;
      // EAGAIN is the receive timeout.
      throw new SyscallError("Ask rtnetlink", "recv", error === EAGAIN ? ETIMEDOUT : error);
    }
  }
}

/** errno of a refused request, and the kernel's own words where it has some. */
export interface Refusal {
  readonly errno: number;
  readonly text: string | undefined;
}

/** A request that the kernel refused. */
export class NetlinkRefusal extends SyscallError {
  /** The kernel's own words. */
  readonly text: string | undefined;

  constructor(action: string, { errno, text }: Refusal) {
    super(action, "rtnetlink", errno, text === undefined ? {} : { [errno]: `the kernel says: ${text}` });
    this.text = text;
  }
}

/** Fails for a name that no interface can have. */
export function checkIfname(name: string, action: string): void {
  if (/^[^\s/:\0]{1,15}$/.test(name) && name !== "." && name !== "..") return;
  throw new SyscallError(action, "rtnetlink", EINVAL, {
    [EINVAL]: "an interface name has 1 to 15 bytes, no / : or space",
  });
}
