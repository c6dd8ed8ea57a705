/**
 * The gateway and Linux's own ip_vti as the two ends of one tunnel.
 *
 *     netns g: the gateway                          guest: Linux, ip_vti
 *     vti1 10.9.0.1 2001:db8:9::1  (key 7)          vti1 10.9.0.2 2001:db8:9::2
 *     eth0 192.0.2.1 ------------- tap ------------ eth0 192.0.2.2
 */
import { Daemon } from "../../doubles/daemon.ts";
import type { Topology } from "../../doubles/topology.ts";
import { policyWords } from "../../doubles/tunnel.ts";
import { Guest } from "./guest.ts";
import { type End, gatewayEnd, linuxEnd } from "./peers.ts";

export const GATEWAY = "192.0.2.1", GUEST = "192.0.2.2";
export const KEY = 7;
/** Ports of the guest with UDP encapsulation by RFC 3948, and by the draft before it. */
export const ESPINUDP_PORT = 4500, NONIKE_PORT = 4600;
const UDP_ENCAP_ESPINUDP_NON_IKE = 1, UDP_ENCAP_ESPINUDP = 2;
/** SPI of what the gateway receives, and of what it sends. */
const SPI_IN = 0x1001, SPI_OUT = 0x2002;

export interface VtiPair extends Disposable {
  readonly guest: Guest;
  /** Where the gateway is. */
  readonly netns: string;
  /** The gateway. */
  readonly here: End;
  /** Linux. */
  readonly there: End;
}

/** Makes both, with devices and addresses. */
export async function startVtiPair(topology: Topology): Promise<VtiPair> {
  const netns = await topology.addNetns("g");
  const guest = await Guest.start(topology, { netns, device: "eth0" });
  await topology.addresses({ netns, ifname: "eth0", addresses: [`${GATEWAY}/24`] });
  const daemon = await Daemon.start(topology, { placement: "isolated" });
  const here = gatewayEnd(topology, daemon, netns);
  const there = linuxEnd(guest);
  await guest.sh(`
    cd /proc/sys/net
    echo 1 > ipv6/conf/default/addr_gen_mode
    echo 0 > ipv6/conf/default/router_solicitations
    echo 0 > ipv6/conf/default/accept_dad
    echo 0 > ipv4/icmp_ratelimit
    echo 0 > ipv6/icmp/ratelimit
    ip addr add ${GUEST}/24 dev eth0
    ip link set eth0 up
    /encap ${ESPINUDP_PORT} ${UDP_ENCAP_ESPINUDP} >/dev/null 2>&1 &
    /encap ${NONIKE_PORT} ${UDP_ENCAP_ESPINUDP_NON_IKE} >/dev/null 2>&1 &`);
  for (const [end, from, to] of [[here, GATEWAY, GUEST], [there, GUEST, GATEWAY]] as const) {
    await end.ip(`link add vti1 type vti local ${from} remote ${to} key ${KEY}`);
    await end.ip("link set vti1 up");
  }
  await topology.addresses({ netns, ifname: "vti1", addresses: [`${here.v4}/24`, `${here.v6}/64`] });
  await there.ip(`addr add ${there.v4}/24 dev vti1`, `addr add ${there.v6}/64 dev vti1 nodad`);
  return { guest, netns, here, there, [Symbol.dispose]: () => guest[Symbol.dispose]() };
}

/** Words that add the state of what `to` receives. */
export const stateWords = (from: string, to: string, spi: number, proto: string, words: string): string =>
  `xfrm state add src ${from} dst ${to} proto ${proto} spi ${spi} mode tunnel mark ${KEY} flag af-unspec ${words}`;

/** In place of all others the same two states at both ends and policies for them; path MTUs are forgotten. */
export async function replaceStates({ here, there }: VtiPair, proto: string, words: string): Promise<void> {
  for (const [end, from, to] of [[here, GATEWAY, GUEST], [there, GUEST, GATEWAY]] as const) {
    const policies = ["0.0.0.0/0", "::/0"].flatMap((any) => [
      policyWords(KEY, "out", any, from, to),
      policyWords(KEY, "in", any, to, from),
    ]);
    await end.ip(
      ...["xfrm state flush", "xfrm policy flush"],
      stateWords(GUEST, GATEWAY, SPI_IN, proto, words),
      stateWords(GATEWAY, GUEST, SPI_OUT, proto, words),
      ...policies.map((policy) => policy.replace("proto esp", `proto ${proto}`)),
    );
    for (const family of ["-4", "-6"]) await end.run(["ip", family, "route", "flush", "cache"]);
  }
}
