/** Descriptors of a namespace that the gateway serves. They outlive every worker. */
import { EAFNOSUPPORT, SyscallError } from "../ffi/errno.ts";
import { openIcmp6Socket, openIcmpErrorSocket, openIcmpSocket } from "../ffi/icmp_socket.ts";
import { openInotify } from "../ffi/inotify.ts";
import { close } from "../ffi/io.ts";
import { withNetns } from "../ffi/netns.ts";
import { openNftables } from "../ffi/netfilter.ts";
import { openPacketSendSocket } from "../ffi/packet_socket.ts";
import { openRawSocket } from "../ffi/raw_socket.ts";
import { openRtnetlink } from "../ffi/rtnetlink.ts";
import { openRtnetlinkMonitor } from "../ffi/rtnetlink_monitor.ts";
import { openSysctls } from "./sysctls.ts";
import { checkReserve } from "./descriptor_reserve.ts";

/** IPPROTO_RAW: a socket that sends whole packets of any protocol and receives none. */
const SEND_ONLY = 255;
const IPPROTO_IPIP = 4;
const IPPROTO_IPV6 = 41;
const IPPROTO_ESP = 50;
const IPPROTO_AH = 51;
const IPPROTO_COMP = 108;

export interface NetnsFds {
  /** The namespace itself. */
  readonly netns: number;
  /** rtnetlink for the control path. */
  readonly control: number;
  /** rtnetlink for the SA table's route lookups. */
  readonly routes: number;
  /** rtnetlink that is told of changes. */
  readonly monitor: number;
  readonly esp: number;
  readonly ah: number;
  readonly comp: number;
  /** IPv4 and IPv6 in IPv4: what IPComp leaves of packets that don't get shorter. */
  readonly ipip: number;
  readonly ipip6: number;
  readonly send: number;
  /** Packet socket that sends, and rtnetlink for its next hops. */
  readonly packet: number;
  readonly hops: number;
  /** nftables, -1 where the kernel has none. */
  readonly nftables: number;
  readonly icmp: number;
  readonly icmp6: number;
  /** Raw socket that receives ICMP errors. */
  readonly icmpError: number;
  /** inotify of the folder whose file `ip route flush cache` writes; -1 where the user has no instance left. */
  readonly routeFlush: number;
  /** For Sysctls. */
  readonly sysctls: readonly number[];
}

/** Opens them inside the namespace of `netns`, which it takes over. Throws SyscallError; nothing stays open then. */
export function openNetnsFds(netns: number): NetnsFds {
  const opened: number[] = [netns];
  const keep = (fd: number): number => {
    opened.push(fd);
    if (fd >= 0) checkReserve(fd, "Open the sockets of a namespace");
    return fd;
  };
  try {
    return withNetns(netns, () => ({
      netns,
      control: keep(openRtnetlink()),
      routes: keep(openRtnetlink()),
      monitor: keep(openRtnetlinkMonitor()),
      esp: keep(openRawSocket(IPPROTO_ESP)),
      ah: keep(openRawSocket(IPPROTO_AH)),
      comp: keep(openRawSocket(IPPROTO_COMP)),
      ipip: keep(openRawSocket(IPPROTO_IPIP)),
      ipip6: keep(openRawSocket(IPPROTO_IPV6)),
      send: keep(openRawSocket(SEND_ONLY)),
      packet: keep(openPacketSendSocket()),
      hops: keep(openRtnetlink()),
      nftables: keep(openNftables()),
      icmp: keep(openIcmpSocket()),
      icmp6: keep(openIcmp6OrNone()),
      icmpError: keep(openIcmpErrorSocket()),
      routeFlush: keep(openRouteFlushOrNone()),
      sysctls: openSysctls().map(keep),
    }));
  } catch (error) {
    closeAll(opened);
    throw error;
  }
}

/** -1 on a host without IPv6, which then has no inner IPv6 sender to answer either. */
function openIcmp6OrNone(): number {
  try {
    return openIcmp6Socket();
  } catch (error) {
    if (error instanceof SyscallError && error.errno === EAFNOSUPPORT) return -1;
    throw error;
  }
}

/** Few instances are allowed to a user. Without one, path MTUs wait for the end of their time. */
function openRouteFlushOrNone(): number {
  try {
    return openInotify("/proc/sys/net/ipv4/route");
  } catch (error) {
    if (error instanceof SyscallError) return -1;
    throw error;
  }
}

export function closeNetnsFds(fds: NetnsFds): void {
  closeAll(Object.values(fds).flat());
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) if (fd >= 0) close(fd);
}
