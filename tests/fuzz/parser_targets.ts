/** Parsers that stand for themselves: rtnetlink messages, and ICMP errors about packets of a tunnel. */
import { IpTunnelTable } from "../../datapath/tunnel/ip_tunnel_lookup.ts";
import { type FragNeeded, vti4Err } from "../../datapath/vti/vti4_err.ts";
import * as checksum from "../../datapath/wire/checksum.ts";
import { L, R } from "../../datapath/xfrm/xfrm_fixture.ts";
import {
  NetlinkAttributes,
  netlinkError,
  netlinkMessages,
  NetlinkRequest,
} from "../../ffi/netlink_message.ts";
import { parseNeighbour } from "../../ffi/next_hop.ts";
import { IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, parseLink, RTM_NEWLINK } from "../../ffi/rtnetlink_link.ts";
import { readNotifications } from "../../ffi/rtnetlink_monitor.ts";
import { parseRoute } from "../../ffi/rtnetlink_route.ts";
import { check, type Target, timed } from "./fuzz.ts";
import { mutate, type Random } from "./random.ts";

const CASES = 64;

/** Feeds damaged copies of `corpus` to `parse`. */
function parser(name: string, corpus: readonly Uint8Array[], parse: (message: Uint8Array) => void): Target {
  return {
    name,
    unit: "messages",
    setUp: (random: Random) => {
      const buffers = Array.from({ length: CASES }, () => new Uint8Array(2048));
      const lengths = new Int32Array(CASES);
      return () => {
        buffers.forEach((buffer, i) => {
          const message = random.pick(corpus);
          buffer.set(message);
          lengths[i] = random.once(8) ? message.length : mutate(random, buffer, message.length);
        });
        timed(CASES, () => buffers.forEach((buffer, i) => parse(buffer.subarray(0, lengths[i]))));
        return CASES;
      };
    },
  };
}

const RTM_NEWNEIGH = 28;
const RTM_NEWROUTE = 24;
const NLMSG_ERROR = 2;

function message(type: number, fill: (request: NetlinkRequest) => void, flags = 0): Uint8Array {
  const request = new NetlinkRequest(type, flags);
  fill(request);
  return request.finish(7).slice();
}

const NETLINK: readonly Uint8Array[] = [
  message(RTM_NEWLINK, (request) =>
    request.u32(768 << 16).u32(5).u32(1).u32(0)
      .attrString(IFLA_IFNAME, "vti1").attrU32(IFLA_MTU, 1400)
      .nest(IFLA_LINKINFO, (inner) => inner.attrString(1, "vti").nest(2, (data) => data.attrU32(1, 9)))),
  message(17, (request) => request.u32(0).u32(5).u32(0).u32(0).attrString(IFLA_IFNAME, "vti1")),
  message(
    RTM_NEWROUTE,
    (request) =>
      request.u32(2 | 32 << 8).u32(254).u32(0).attr(1, new Uint8Array(4)).attrU32(4, 3).nest(
        8,
        (m) => m.attrU32(2, 1400),
      ),
  ),
  message(
    RTM_NEWNEIGH,
    (request) => request.u32(2).u32(3).u32(2).attr(1, Uint8Array.of(192, 0, 2, 1)).attr(2, new Uint8Array(6)),
  ),
  message(
    NLMSG_ERROR,
    (request) => request.u32(-17 >>> 0).u32(16).u32(0).u32(0).u32(0).attrString(1, "no"),
    0x200,
  ),
];
/** Several messages in one datagram too. */
const DATAGRAMS = [...NETLINK, Uint8Array.from(NETLINK.flatMap((bytes) => [...bytes]))];

const NOTHING = { link() {}, linkGone() {}, routesChanged() {}, lost() {} };

export const NETLINK_TARGET: Target = parser("rtnetlink messages", DATAGRAMS, (datagram) => {
  readNotifications(datagram, NOTHING);
  let messages = 0;
  for (const found of netlinkMessages(datagram)) {
    check(++messages <= datagram.length / 16, "more messages than fit");
    check(found.start <= found.end && found.end <= datagram.byteLength, "a message beyond the datagram");
    parseLink(found);
    parseRoute(found);
    parseNeighbour(found);
    netlinkError(found);
    const attributes = new NetlinkAttributes(found.view, found.start, found.end);
    attributes.nest(IFLA_LINKINFO)?.string(1);
    attributes.bytes(1);
  }
});

/** A frag-needed that quotes a packet of the tunnel, with ESP raw or in UDP, AH or IPComp. */
function fragNeeded(proto: number, body: readonly number[]): Uint8Array {
  const bytes = Uint8Array.of(
    ...[3, 4, 0, 0, 0, 0, 5, 100, 0x45, 0, 5, 220, 0, 0, 0x40, 0, 64, proto, 0, 0],
    ...[L >>> 24, L >>> 16 & 255, L >>> 8 & 255, L & 255, R >>> 24, R >>> 16 & 255, R >>> 8 & 255, R & 255],
    ...body,
  );
  new DataView(bytes.buffer).setUint16(
    2,
    checksum.finish(checksum.sum(new DataView(bytes.buffer), 0, bytes.length, 0)),
  );
  return bytes;
}
const SPI_SEQ = [0, 0, 0x10, 1, 0, 0, 0, 9];
const ERRORS = [
  fragNeeded(50, SPI_SEQ),
  fragNeeded(17, [0x11, 0x94, 0x11, 0x94, 5, 0, 0, 0, ...SPI_SEQ]),
  fragNeeded(51, [50, 4, 0, 0, ...SPI_SEQ]),
  fragNeeded(108, [4, 0, 0, 2, 0, 0, 0, 0]),
];

export const ICMP_TARGET: Target = parser("ICMP errors", ERRORS, (error) => {
  const view = new DataView(error.buffer, error.byteOffset, error.byteLength);
  // Most damage spoils the checksum; an attacker would make it good again.
  if (error.length >= 4) {
    view.setUint16(2, 0);
    view.setUint16(2, checksum.finish(checksum.sum(view, 0, error.length, 0)));
  }
  const said: FragNeeded = { mark: 0, saddr: 0, daddr: 0, proto: 0, spi: 0, seq: 0, mtu: 0 };
  if (!vti4Err(view, 0, error.length, 0, TUNNELS, said)) return;
  check(said.saddr >>> 0 === L >>> 0 && said.daddr >>> 0 === R >>> 0, "an error about no tunnel was taken");
});

const TUNNELS = new IpTunnelTable();
TUNNELS.set({ actor: 5, ifindex: 10, local: L, remote: R, iKey: 7, oKey: 7, link: 0, up: true, order: 1 });
