/** Numbers that have names in a file of /etc/iproute2 (iproute2 lib/rt_names.c). */

const DIRECTORY = "/etc/iproute2";

type Names = readonly (readonly [name: string, value: number])[];
const read = new Map<string, Names>();

/** The names of `file`, in its order; none where a host lacks it. */
export function rtNames(file: string): Names {
  const known = read.get(file);
  if (known !== undefined) return known;
  let text = "";
  try {
    text = Deno.readTextFileSync(`${DIRECTORY}/${file}`);
  } catch {
    // A host may lack it, and then has only numbers.
  }
  const names = [...text.matchAll(/^\s*(0x[0-9a-f]+|\d+)\s+([^\s#]+)/gim)]
    .map(([, value, name]) => [name!, Number(value)] as const);
  read.set(file, names);
  return names;
}
