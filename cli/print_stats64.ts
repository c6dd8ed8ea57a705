/** Counters as `ip -s link show` prints them (iproute2 ip/ipaddress.c print_stats64()). */
import type { Json } from "./json_print.ts";
import type { LinkStats } from "../api/schemas.ts";

/** Characters of each column; a column grows with the widest number in it. */
const LEAST_WIDTHS = [10, 7, 6, 7, 7, 7];
/** iproute2 leaves room for a column "compressed", which a vti never fills. */
const UNUSED_COLUMN = " ".repeat(11);

/** -h and -iec of ip(8). */
export interface Scale {
  readonly human: boolean;
  readonly iec: boolean;
}

/** Lines without newline. `errors` adds the error counters, of which a vti counts only aborted sends. */
export function printStats64(stats: LinkStats, errors: boolean, scale: Scale): string[] {
  const { rx, tx } = stats;
  const rows = {
    rx: [rx.bytes, rx.packets, rx.errors, rx.dropped, 0, rx.multicast],
    rxErrors: [0, 0, 0, 0, rx.over_errors],
    tx: [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions],
    txErrors: [tx.aborted_errors, 0, 0, 0, 0],
  };
  const widths = LEAST_WIDTHS.map((least, i) =>
    Math.max(least, ...[rows.rx, rows.tx].map((row) => String(row[i]).length))
  );
  const table = (title: string, names: string, row: readonly number[]) => [
    `    ${heading(title, names, widths)}`,
    `    ${numbers(row, widths.slice(-row.length), row.length < widths.length ? widths[0]! + 1 : 0, scale)}`,
  ];
  return [
    ...table("RX:", "bytes packets errors dropped missed mcast", rows.rx),
    ...(errors ? table("RX errors:", "length crc frame fifo overrun", rows.rxErrors) : []),
    ...table("TX:", "bytes packets errors dropped carrier collsns", rows.tx),
    ...(errors ? table("TX errors:", "aborted fifo window heartbt transns", rows.txErrors) : []),
  ];
}

export function jsonStats64({ rx, tx }: LinkStats, errors: boolean): Json {
  const { aborted_errors, ...sent } = tx;
  const rxErrors = { length_errors: 0, crc_errors: 0, frame_errors: 0, fifo_errors: 0, missed_errors: 0 };
  const txErrors = {
    aborted_errors,
    fifo_errors: 0,
    window_errors: 0,
    heartbeat_errors: 0,
    carrier_changes: 0,
  };
  return { rx: { ...rx, ...(errors ? rxErrors : {}) }, tx: { ...sent, ...(errors ? txErrors : {}) } };
}

/** The title stands in the first column: before "bytes", or alone. */
function heading(title: string, names: string, widths: readonly number[]): string {
  const columns = names.split(" ");
  const [first, ...others] = widths;
  if (columns.length < widths.length) {
    return `${title.padEnd(first!)} ${columns.map((name, i) => name.padStart(others[i]!)).join(" ")}`;
  }
  const shown = columns.slice(1).map((name, i) => name.padStart(others[i]!));
  return `${title} ${columns[0]!.padStart(first! - 4)} ${shown.join(" ")}${UNUSED_COLUMN}`;
}

function numbers(row: readonly number[], widths: readonly number[], indent: number, scale: Scale): string {
  const texts = row.map((value, i) => `${printNum(value, scale).padStart(widths[i]!)} `);
  return " ".repeat(indent) + texts.join("");
}

/** Three digits that count and a prefix, where that was asked for (iproute2 lib/utils.c print_num()). */
function printNum(value: number, { human, iec }: Scale): string {
  const base = iec ? 1024 : 1000;
  if (!human || value < base) return String(value);
  let power = 1;
  let prefix = -1;
  while (prefix < PREFIXES.length - 1 && Math.floor(value / base) >= power) {
    power *= base;
    prefix++;
  }
  const whole = Math.floor(value / power);
  const digits = whole < 10 ? 2 : whole < 100 ? 1 : 0;
  return `${(value / power).toFixed(digits)}${PREFIXES[prefix]}${iec ? "i" : ""}`;
}

const PREFIXES = "kMGTPE";
