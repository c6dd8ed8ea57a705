/** A device as `ip link show` prints it (iproute2 ip/ipaddress.c print_linkinfo()). */
import { type Json, jsonPrint } from "./json_print.ts";
import { paint } from "./color.ts";
import type { Options } from "./options.ts";
import { jsonStats64, printStats64 } from "./print_stats64.ts";
import type { LinkInfo } from "../api/schemas.ts";

/** Level of -s that shows the drops by cause, which iproute2 does not have. */
const SHOW_DROPS = 3;

/**
 * Those of `links` that are wanted as one text, in the form that the options ask for. As JSON the others are empty
 * objects, as iproute2 has it.
 */
export function printLinks(
  links: readonly LinkInfo[],
  options: Options,
  isWanted: (link: LinkInfo) => boolean = () => true,
): string {
  if (options.json) {
    const object = options.brief ? jsonBrief : jsonLink;
    return jsonPrint(links.map((link) => isWanted(link) ? object(link, options) : {}), options.pretty);
  }
  const print = options.brief ? printBrief : printLink;
  return links.filter(isWanted).map((link) => print(link, options)).join("");
}

/** `ip monitor link` prints neither link mode nor queue length. */
export function printLinkEvent(link: LinkInfo): string {
  const plain = { numeric: false, color: "", json: false } as const;
  return `${head(link, plain)} state ${link.operstate} group ${link.group} \n${addresses(link, plain)}\n`;
}

function printLink(link: LinkInfo, options: Options): string {
  const newline = options.oneline ? "\\" : "\n";
  const lines = [
    `${head(link, options)} state ${stateOf(link, options)}mode ${link.linkmode} group ${
      groupOf(link, options)
    } ${qlenOf(link)}`,
    addresses(link, options) + (options.details ? ` ${printLimits(link)}` : ""),
  ];
  if (options.details) lines.push(printDetails(link));
  if (link.ifalias !== undefined) lines.push(`    alias ${link.ifalias}`);
  if (options.stats > 0) lines.push(...printStats64(link.stats64, options.stats > 1, options));
  const drops = Object.entries(link.drops);
  if (options.stats >= SHOW_DROPS && drops.length > 0) {
    lines.push(`    drops: ${drops.map(([cause, count]) => `${cause} ${count}`).join(" ")}`);
  }
  return `${lines.join(newline)}\n`;
}

function printBrief(link: LinkInfo, options: Options): string {
  const name = paint("ifname", `${shownName(link)} `.padEnd(17), options);
  const address = paint("lladdr", `${link.address} `, options);
  return `${name}${stateOf(link, options, 15)}${address}<${link.flags.join(",")}> \n`;
}

/** With the blank behind it, which has its colour. */
function stateOf({ operstate }: LinkInfo, options: Options, width = 0): string {
  return paint(operstate, `${operstate} `.padEnd(width), options);
}

function head(link: LinkInfo, options: Printed): string {
  const flags = link.flags.join(",");
  const master = link.master === undefined ? "" : ` master ${link.master}`;
  const name = paint("ifname", `${shownName(link)}: `, options);
  return `${link.ifindex}: ${name}<${flags}> mtu ${link.mtu} qdisc ${link.qdisc}${master}`;
}

/** "%d", and nothing for 0. */
function qlenOf({ txqlen }: LinkInfo): string {
  return txqlen === 0 ? "" : `qlen ${txqlen | 0}`;
}

function shownName(link: LinkInfo): string {
  return `${link.ifname}@${link.link ?? "NONE"}`;
}

type Printed = Pick<Options, "numeric" | "color" | "json">;
type Numeric = Pick<Options, "numeric">;

/** ARPHRD_TUNNEL. */
const LINK_TYPE_NUMBER = 768;

function linkType(link: LinkInfo, { numeric }: Numeric): string {
  return numeric ? `[${LINK_TYPE_NUMBER}]` : link.link_type;
}

function groupOf(link: LinkInfo, { numeric }: Numeric): string {
  return numeric && link.group === "default" ? "0" : link.group;
}

function addresses(link: LinkInfo, options: Printed): string {
  const painted = (address: string) => paint("lladdr", address, options);
  const remote = `${link.link_pointtopoint ? "peer" : "brd"} ${painted(link.broadcast)}`;
  const permanent = link.permaddr === undefined ? "" : ` permaddr ${painted(link.permaddr)}`;
  const netnsid = link.link_netnsid === undefined ? "" : ` link-netnsid ${link.link_netnsid}`;
  return `    link/${linkType(link, options)} ${painted(link.address)} ${remote}${permanent}${netnsid}`;
}

function printLimits(link: LinkInfo): string {
  const { promiscuity, allmulti, min_mtu, max_mtu } = link;
  return `promiscuity ${promiscuity}  allmulti ${allmulti} minmtu ${min_mtu} maxmtu ${max_mtu} `;
}

function printDetails(link: LinkInfo): string {
  const { info_kind, info_data } = link.linkinfo;
  const values: [string, string | number | undefined][] = [
    ["remote", info_data.remote],
    ["local", info_data.local],
    ["dev", info_data.link],
    ["ikey", info_data.ikey],
    ["okey", info_data.okey],
    ["fwmark", info_data.fwmark],
    ["addrgenmode", link.inet6_addr_gen_mode],
    ["numtxqueues", link.num_tx_queues],
    ["numrxqueues", link.num_rx_queues],
    ["gso_max_size", link.gso_max_size],
    ["gso_max_segs", link.gso_max_segs],
    ["tso_max_size", link.tso_max_size],
    ["tso_max_segs", link.tso_max_segs],
    ["gro_max_size", link.gro_max_size],
  ];
  const shown = values.filter(([, value]) => value !== undefined);
  return `    ${info_kind} ${shown.map(([name, value]) => `${name} ${value} `).join("")}`;
}

function jsonBrief(link: LinkInfo): Json {
  const { ifname, operstate, address, flags } = link;
  return { link: link.link, ifname, operstate, address, flags };
}

function jsonLink(link: LinkInfo, options: Options): Json {
  const { ifindex, ifname, flags, mtu, qdisc, operstate, linkmode, txqlen } = link;
  const { address, link_pointtopoint, broadcast, permaddr, link_netnsid } = link;
  const hasDrops = Object.keys(link.drops).length > 0;
  return {
    ifindex,
    link: link.link,
    ifname,
    flags,
    mtu,
    qdisc,
    master: link.master,
    operstate,
    linkmode,
    group: groupOf(link, options),
    txqlen: txqlen === 0 ? undefined : txqlen | 0,
    link_type: linkType(link, options),
    address,
    link_pointtopoint,
    broadcast,
    permaddr,
    link_netnsid,
    ...(options.details ? jsonDetails(link) : {}),
    ifalias: link.ifalias,
    ...(options.stats > 0 ? { stats64: jsonStats64(link.stats64, options.stats > 1) } : {}),
    ...(options.stats >= SHOW_DROPS && hasDrops ? { drops: { ...link.drops } } : {}),
  };
}

function jsonDetails(link: LinkInfo): { readonly [name: string]: Json | undefined } {
  const { promiscuity, allmulti, min_mtu, max_mtu, inet6_addr_gen_mode, num_tx_queues, num_rx_queues } = link;
  const { gso_max_size, gso_max_segs, tso_max_size, tso_max_segs, gro_max_size } = link;
  const { remote, local, link: underlay, ikey, okey, fwmark } = link.linkinfo.info_data;
  return {
    promiscuity,
    allmulti,
    min_mtu,
    max_mtu,
    linkinfo: {
      info_kind: link.linkinfo.info_kind,
      info_data: { remote, local, link: underlay, ikey, okey, fwmark },
    },
    inet6_addr_gen_mode,
    num_tx_queues,
    num_rx_queues,
    gso_max_size,
    gso_max_segs,
    tso_max_size,
    tso_max_segs,
    gro_max_size,
  };
}
