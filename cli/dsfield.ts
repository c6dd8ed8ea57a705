/** Values of the DS field by name, as /etc/iproute2/rt_dsfield has them (iproute2 lib/rt_names.c). */

const FILE = "/etc/iproute2/rt_dsfield";

let names: readonly (readonly [name: string, value: number])[] | undefined;

function readNames(): NonNullable<typeof names> {
  if (names !== undefined) return names;
  let text = "";
  try {
    text = Deno.readTextFileSync(FILE);
  } catch {
    // A host may lack it, and then has only numbers.
  }
  return names = [...text.matchAll(/^\s*(0x[0-9a-f]+|\d+)\s+([^\s#]+)/gim)]
    .map(([, value, name]) => [name!, Number(value)] as const);
}

/** A name, or a hexadecimal number; null for neither (rtnl_dsfield_a2n). */
export function parseDsfield(word: string): number | null {
  const named = readNames().find(([name]) => name === word);
  if (named !== undefined) return named[1];
  return /^\s*\+?(0x)?0*[0-9a-f]{1,2}$/i.test(word) ? Number.parseInt(word, 16) : null;
}

/** rtnl_dsfield_n2a. */
export function dsfieldName(value: number, numeric: boolean): string {
  const named = numeric ? undefined : readNames().find(([, known]) => known === value);
  return named?.[0] ?? `0x${value.toString(16).padStart(2, "0")}`;
}
