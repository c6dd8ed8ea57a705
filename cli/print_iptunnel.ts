/** A tunnel as `ip tunnel show` prints it (iproute2 ip/iptunnel.c print_tunnel(), ip/tunnel.c). */
import { paint } from "./color.ts";
import { dsfieldName } from "./dsfield.ts";
import { type Json, jsonPrint } from "./json_print.ts";
import type { Options } from "./options.ts";
import type { LinkInfo, TunnelInfo } from "../api/schemas.ts";

/** Bit of a TOS: taken from the inner packet. */
export const TOS_INHERIT = 1;

/** NAME: ip/ip remote R local L [dev D] ttl T [tos T] [nopmtudisc] key K; keys decimal, one where both are equal. */
export function printTunnel(tunnel: TunnelInfo, options: Options): string {
  const { ifname, remote, local, link, ikey, okey, ttl, tos, pmtudisc } = tunnel;
  const parts = [
    `${paint("ifname", `${ifname}: `, options)}ip/ip remote ${paint("inet", `${remote} `, options)}local ${
      paint("inet", local, options)
    }`,
    ...(link === undefined ? [] : [`dev ${link}`]),
    `ttl ${ttl || "inherit"}`,
    ...(tos === 0 ? [] : [`tos ${printTos(tos, options)}`]),
    ...(pmtudisc ? [] : ["nopmtudisc"]),
    ikey === okey ? `key ${ikey}` : `ikey ${ikey} okey ${okey}`,
  ];
  return parts.join(" ");
}

/** An array with a line break before each comma and at its end; counters stand among it as text, as iproute2 has them. */
export function printTunnelsJson(
  tunnels: readonly TunnelInfo[],
  options: Options,
  withCounters: (text: string, tunnel: TunnelInfo) => string,
): string {
  const { pretty } = options;
  const [open, close] = pretty ? ["[ ", " ]\n"] : ["[", "]\n"];
  const texts = tunnels.map((tunnel) => {
    // As an element of an array, without the brackets.
    const array = jsonPrint([tunnelJson(tunnel, options)], pretty);
    return withCounters(array.slice(open.length, array.length - close.length), tunnel);
  });
  return open + texts.join(",") + (texts.length === 0 ? "]\n" : close);
}

function tunnelJson(tunnel: TunnelInfo, { numeric }: Options): Json {
  const { ifname, remote, local, link, ikey, okey, ttl, tos, pmtudisc } = tunnel;
  const zero = (address: string) => address === "any" ? "0.0.0.0" : address;
  return {
    ifname,
    mode: "ip/ip",
    remote: zero(remote),
    local: zero(local),
    ...(link === undefined ? {} : { dev: link }),
    ...(ttl === 0 ? {} : { ttl }),
    ...(tos === 0 || tos === TOS_INHERIT ? {} : { tos: dsfieldName(tos, numeric) }),
    ...(pmtudisc ? {} : { nopmtudisc: null }),
    ...(ikey === okey ? { key: ikey } : { ikey, okey }),
  };
}

function printTos(tos: number, { numeric }: Options): string {
  const inherit = (tos & TOS_INHERIT) !== 0 ? ["inherit"] : [];
  const value = tos & ~TOS_INHERIT;
  return [...inherit, ...(value === 0 ? [] : [dsfieldName(value, numeric)])].join("/");
}

export function printCounters({ stats64: { rx, tx } }: LinkInfo): string[] {
  const columns = (widths: readonly number[], values: readonly number[]) =>
    values.map((value, i) => String(value).padEnd(widths[i]!)).join(" ");
  const received = [rx.packets, rx.bytes, rx.errors, 0, 0, rx.multicast];
  const sent = [tx.packets, tx.bytes, tx.errors, tx.collisions, tx.carrier_errors, tx.dropped];
  return [
    "RX: Packets    Bytes        Errors CsumErrs OutOfSeq Mcasts",
    `    ${columns([10, 12, 6, 8, 8, 8], received)}`,
    "TX: Packets    Bytes        Errors DeadLoop NoRoute  NoBufs",
    `    ${columns([10, 12, 6, 8, 8, 6], sent)}`,
  ];
}
