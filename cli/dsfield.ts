/** Values of the DS field by name, as /etc/iproute2/rt_dsfield has them (iproute2 lib/rt_names.c). */
import { rtNames } from "./rt_names.ts";

const FILE = "rt_dsfield";

/** A name, or a hexadecimal number; null for neither (rtnl_dsfield_a2n). */
export function parseDsfield(word: string): number | null {
  const named = rtNames(FILE).find(([name]) => name === word);
  if (named !== undefined) return named[1];
  return /^\s*\+?(0x)?0*[0-9a-f]{1,2}$/i.test(word) ? Number.parseInt(word, 16) : null;
}

/** rtnl_dsfield_n2a. */
export function dsfieldName(value: number, numeric: boolean): string {
  const named = numeric ? undefined : rtNames(FILE).find(([, known]) => known === value);
  return named?.[0] ?? `0x${value.toString(16).padStart(2, "0")}`;
}
