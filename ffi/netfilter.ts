/** Whether a namespace has packet filters, which packets sent past the IP layer would escape. Cold path. */
import { EINVAL, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, SyscallError } from "./errno.ts";
import { NetlinkRequest } from "./netlink_message.ts";
import { NetlinkRefusal, NetlinkSocket, openNetlink } from "./netlink_socket.ts";
import { withNetns } from "./netns.ts";
import { readProcFile } from "./proc_file.ts";

const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETTABLE = 1;

export class PacketFilters {
  /** The namespace. */
  readonly #netns: number;
  /** Null when the kernel has no nftables. */
  readonly #nftables: NetlinkSocket | null;

  /** `netns` is the namespace, `nftables` of openNftables() in it, -1 when that is missing. */
  constructor(netns: number, nftables: number) {
    this.#netns = netns;
    this.#nftables = nftables < 0 ? null : new NetlinkSocket(nftables);
  }

  /** True when there is a table of nftables or iptables. True too when that can't be told. */
  exist(): boolean {
    try {
      return this.#hasNftables() || this.#hasIptables();
    } catch (error) {
      if (error instanceof SyscallError || error instanceof Deno.errors.PermissionDenied) return true;
      throw error;
    }
  }

  #hasNftables(): boolean {
    if (this.#nftables === null) return false;
    const request = () =>
      new NetlinkRequest((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, 0).u8(0).u8(0).u16(0);
    try {
      return this.#nftables.dump(request, "List nftables", () => true).length > 0;
    } catch (error) {
      // nf_tables is a module that nobody has loaded.
      if (error instanceof NetlinkRefusal && [EINVAL, ENOENT, EOPNOTSUPP].includes(error.errno)) return false;
      throw error;
    }
  }

  /** The legacy tables in use; the file is missing where the module is. */
  #hasIptables(): boolean {
    try {
      return withNetns(
        this.#netns,
        () => readProcFile("/proc/thread-self/net/ip_tables_names"),
      ).length > 0;
    } catch (error) {
      if (error instanceof SyscallError && error.errno === ENOENT) return false;
      throw error;
    }
  }
}

/** Opens a socket for PacketFilters in the calling thread's namespace; -1 when the kernel has none. */
export function openNftables(): number {
  try {
    return openNetlink(0, 0, NETLINK_NETFILTER);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === EPROTONOSUPPORT) return -1;
    throw error;
  }
}
