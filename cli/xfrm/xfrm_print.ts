/** What states and policies print alike (iproute2 ip/ipxfrm.c). Lines without newline. */
import type { Options } from "../options.ts";
import type {
  U64,
  XfrmLimits,
  XfrmMark,
  XfrmMode,
  XfrmSelectorInfo,
  XfrmStateInfo,
} from "../../api/schemas.ts";
import * as proto from "./xfrm_proto.ts";

/** One state or policy: its lines, or with -o one line that tells by "\" where they ended. */
export function joinLines(lines: readonly string[], options: Options): string {
  return options.oneline ? `${lines.join("\\")}\\\n` : `${lines.join("\n")}\n`;
}

/** "src A dst B", then protocol, SPI, reqid and mode. */
export function printId(
  id: { src: string; dst: string; proto: string; spi: number; reqid: number; mode: XfrmMode },
  forceSpi: boolean,
  options: Options,
): [string, string] {
  const all = options.stats > 0;
  const showsSpi = all || forceSpi || id.spi !== 0;
  const spi = showsSpi ? `spi ${hex8(id.spi)}${all ? `(${id.spi})` : ""} ` : "";
  const reqid = `reqid ${id.reqid}${all ? `(${hex8(id.reqid)})` : ""}`;
  // iproute2 has no name for the protocol of companions.
  const name = id.proto === "ipip" ? "4" : id.proto;
  return [`src ${id.src} dst ${id.dst}`, `proto ${name} ${spi}${reqid} mode ${id.mode}`];
}

export function printSelector(sel: XfrmSelectorInfo, options: Options): string {
  const upper = sel.proto === 0 ? "" : `proto ${proto.protocolName(sel.proto)} `;
  const dev = sel.dev === undefined ? "" : `dev ${sel.dev} `;
  const user = options.stats > 0 ? "uid 0" : "";
  return `src ${sel.src} dst ${sel.dst} ${upper}${printPorts(sel, options)}${dev}${user}`;
}

export function printMark(mark: XfrmMark): string {
  return `mark ${hex(mark.value)}/${hex(mark.mask)} `;
}

export function printLifetime(limits: XfrmLimits, current: XfrmStateInfo["lifetime"]): string[] {
  const pair = (soft: U64 | undefined, hard: U64 | undefined, absent: string, unit: string) =>
    `soft ${soft ?? absent}(${unit}), hard ${hard ?? absent}(${unit})`;
  const { byte_soft, byte_hard, packet_soft, packet_hard } = limits;
  const { time_soft, time_hard, time_use_soft, time_use_hard } = limits;
  return [
    "\tlifetime config:",
    `\t  limit: ${pair(byte_soft, byte_hard, "(INF)", "bytes")}`,
    `\t  limit: ${pair(packet_soft, packet_hard, "(INF)", "packets")}`,
    `\t  expire add: ${pair(time_soft, time_hard, "0", "sec")}`,
    `\t  expire use: ${pair(time_use_soft, time_use_hard, "0", "sec")}`,
    "\tlifetime current:",
    `\t  ${current.bytes}(bytes), ${current.packets}(packets)`,
    `\t  add ${printTime(current.add_time)} use ${printTime(current.use_time)}`,
  ];
}

/**
 * Names of the flags that are set, in the order of `bits`; with -s also `extra`, right behind them as iproute2 has it,
 * and the mask in binary digits.
 */
export function printFlags<Name extends string>(
  flags: readonly Name[],
  bits: Readonly<Record<Name, number>>,
  options: Options,
  extra = "",
): string {
  const set = (Object.keys(bits) as Name[]).filter((name) => flags.includes(name));
  const names = set.join(" ");
  if (options.stats === 0) return names === "" ? "" : `flag ${names}`;
  const mask = set.reduce((sum, name) => sum | bits[name], 0);
  return `flag ${names}${extra} (0x${mask.toString(2).padStart(8, "0")})`;
}

/** "%#x": zero has no prefix. */
export function hex(value: number): string {
  return value === 0 ? "0" : `0x${value.toString(16)}`;
}

export function hex8(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

function printPorts(sel: XfrmSelectorInfo, options: Options): string {
  const named = (name: string, value: number, mask: number) => mask === 0 ? "" : `${name} ${value} `;
  switch (sel.proto) {
    case proto.IPPROTO_ICMP:
    case proto.IPPROTO_ICMPV6:
      return named("type", sel.sport, sel.sport_mask) + named("code", sel.dport, sel.dport_mask);
    case proto.IPPROTO_GRE:
      return named("key", sel.sport * 0x10000 + sel.dport, sel.sport_mask | sel.dport_mask);
    case proto.IPPROTO_MH: {
      const shown = sel.dport_mask !== 0 && options.stats > 0;
      const code = shown ? `(dport) 0x${sel.dport.toString(16).padStart(4, "0")} ` : "";
      return named("type", sel.sport, sel.sport_mask) + code;
    }
    default:
      return named("sport", sel.sport, sel.sport_mask) + named("dport", sel.dport, sel.dport_mask);
  }
}

/** Local time, as strftime("%Y-%m-%d %T"); "-" for never. */
function printTime(seconds: number): string {
  if (seconds === 0) return "-";
  const time = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
