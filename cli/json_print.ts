/** JSON as iproute2 lays it out (lib/json_writer.c), which is neither JSON.stringify()'s compact form nor its pretty one. */

export type Json = string | number | boolean | null | readonly Json[] | {
  readonly [name: string]: Json | undefined;
};

/** One line, or with `pretty` one member a line, arrays of plain values on one line. Ends in a newline. */
export function jsonPrint(value: Json, pretty: boolean): string {
  return `${pretty ? prettyValue(value, 0) : JSON.stringify(value)}\n`;
}

function prettyValue(value: Json, depth: number): string {
  if (isArray(value)) {
    const items = value.map((item) => prettyValue(item, depth + 1)).join(",");
    return items === "" ? "[ ]" : `[ ${items} ]`;
  }
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) =>
      `${newline(depth + 1)}${JSON.stringify(name)}: ${prettyValue(member!, depth + 1)}`
    );
  return members.length === 0 ? "{}" : `{${members.join(",")}${newline(depth)}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function newline(depth: number): string {
  return `\n${"    ".repeat(depth)}`;
}
