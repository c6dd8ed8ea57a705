/** The demo's stage: two namespaces joined by a veth pair, and a VTI in each. Made without the system's `ip`. */
import type { Gateway, XfrmPolicyRequest, XfrmStateRequest } from "../actors/gateway.ts";
import type { Result } from "../actors/control/kernel_error.ts";
import { parseIpPrefix } from "../actors/control/ip_address.ts";
import { close } from "../ffi/io.ts";
import { createNetns, deleteNetns, openNetns, withNetns } from "../ffi/netns.ts";
import { Rtnetlink } from "../ffi/rtnetlink.ts";
import { addressBytes } from "./address_bytes.ts";

export const WIRE = "veth0";
export const VTI = "vti1";
/** Room for the outer header, ESP and its padding on a wire of 1500 bytes. */
const MTU_BYTES = 1420;
/** The key of both devices, which is the mark of their SAs and policies. */
const KEY = 7;
/** AES-128-GCM: key and 4 bytes of salt (RFC 4106 §8.1). */
const AEAD = { name: "rfc4106(gcm(aes))", keyBytes: 20, icvBits: 128 } as const;
export const CIPHER = "AES-128-GCM";
/** SPIs below are reserved (RFC 4303 §2.1). */
const FIRST_SPI = 256;

export interface Side {
  readonly netns: string;
  readonly fd: number;
  readonly rtnl: Rtnetlink;
  readonly outer: string;
  readonly inner: readonly string[];
}

export interface Stage extends Disposable {
  readonly a: Side;
  readonly b: Side;
  /** Names of both namespaces. */
  readonly names: readonly [string, string];
}

/** Behind the tunnel, seen from a: reached by a route, not by an address of the device. */
export const BEHIND_B = { address: "10.60.0.1", network: "10.60.0.0/16" } as const;
export const INNER_B6 = "fd00:9::2";

/** Makes the namespaces and the veth pair. Disposing of it removes them. Throws SyscallError; nothing stays then. */
export function makeStage(): Stage {
  const names = [`vti-demo-${Deno.pid}-a`, `vti-demo-${Deno.pid}-b`] as const;
  using undo = new DisposableStack();
  const make = (netns: string, outer: string, inner: readonly string[]): Side => {
    createNetns(netns);
    undo.defer(() => deleteNetns(netns));
    const fd = openNetns(netns);
    undo.defer(() => close(fd));
    const rtnl = withNetns(fd, () => new Rtnetlink());
    undo.defer(() => rtnl.close());
    return { netns, fd, rtnl, outer, inner };
  };
  const a = make(names[0], "192.0.2.1", ["10.9.0.1/30", "fd00:9::1/64"]);
  const b = make(names[1], "192.0.2.2", ["10.9.0.2/30", "fd00:9::2/64"]);
  a.rtnl.newVeth({ name: WIRE, peer: { name: WIRE, netns: b.fd } });
  for (const side of [a, b]) {
    // The wire then carries ARP and what the gateway sends, and no neighbour discovery of its own.
    withNetns(side.fd, () => Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${WIRE}/disable_ipv6`, "1"));
    const wire = ifindex(side, WIRE);
    addAddress(side, wire, `${side.outer}/24`);
    side.rtnl.setLink({ ifindex: wire, up: true });
    side.rtnl.setLink({ ifindex: ifindex(side, "lo"), up: true });
  }
  addAddress(b, ifindex(b, "lo"), `${BEHIND_B.address}/32`);
  const kept = undo.move();
  return { a, b, names, [Symbol.dispose]: () => kept.dispose() };
}

/** Makes both tunnels with fresh random keys, their addresses, and a's route to what is behind b. */
export async function makeTunnels(gateway: Gateway, { a, b }: Stage): Promise<void> {
  const [forth, back] = [newState(a, b), newState(b, a)];
  for (const [here, there] of [[a, b], [b, a]] as const) {
    must(
      await gateway.newlink(here.netns, {
        mtu: MTU_BYTES,
        ifname: VTI,
        up: true,
        linkinfo: {
          info_kind: "vti",
          info_data: { local: here.outer, remote: there.outer, ikey: KEY, okey: KEY },
        },
      }),
    );
    must(await gateway.newState(here.netns, forth));
    must(await gateway.newState(here.netns, back));
    for (const any of ["0.0.0.0/0", "::/0"]) {
      must(await gateway.newPolicy(here.netns, newPolicy("out", any, here, there)));
      must(await gateway.newPolicy(here.netns, newPolicy("in", any, there, here)));
    }
    for (const address of here.inner) addAddress(here, ifindex(here, VTI), address);
  }
  const { words, prefixlen, family } = parseIpPrefix(BEHIND_B.network)!;
  a.rtnl.addRoute({ dst: addressBytes({ words, family }), prefix: prefixlen, oif: ifindex(a, VTI) });
}

export function ifindex(side: Side, device: string): number {
  const link = side.rtnl.link(device);
  if (link === null) throw new Error(`Use device "${device}": it is not in ${side.netns}`);
  return link.ifindex;
}

/** The value of a result, or its error thrown. */
export function must<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.error.message);
}

function newState(from: Side, to: Side): XfrmStateRequest {
  const key = crypto.getRandomValues(new Uint8Array(AEAD.keyBytes));
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  return {
    src: from.outer,
    dst: to.outer,
    proto: "esp",
    spi: Math.max(random, FIRST_SPI),
    mode: "tunnel",
    mark: { value: KEY, mask: 0xffffffff },
    replay_window: 128,
    flags: ["af-unspec"],
    aead: { name: AEAD.name, key: `0x${key.toHex()}`, icv_bits: AEAD.icvBits },
  };
}

function newPolicy(dir: "in" | "out", any: string, from: Side, to: Side): XfrmPolicyRequest {
  return {
    sel: { src: any, dst: any, proto: 0, sport: 0, sport_mask: 0, dport: 0, dport_mask: 0 },
    dir,
    mark: { value: KEY, mask: 0xffffffff },
    tmpl: [{ src: from.outer, dst: to.outer, proto: "esp", mode: "tunnel" }],
  };
}

function addAddress(side: Side, device: number, text: string): void {
  const address = parseIpPrefix(text)!;
  side.rtnl.addAddress(device, addressBytes(address), address.prefixlen);
}
