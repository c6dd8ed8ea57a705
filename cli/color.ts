/** Colours of `ip -c` (iproute2 lib/color.c). */
import type { Options } from "./options.ts";

/** Of what a text is. UP and DOWN are the operational states that have a colour. */
export type ColorOf = "ifname" | "lladdr" | "inet" | "UP" | "DOWN";

/** SGR codes (ECMA-48 §8.3.117). */
const CODES: Readonly<Record<ColorOf, number>> = { ifname: 36, lladdr: 33, inet: 35, UP: 32, DOWN: 31 };

/** `text` in its colour, where colours are asked for; with -j there are none. */
export function paint(of: string, text: string, { color, json }: Pick<Options, "color" | "json">): string {
  if (color === "" || json || !Object.hasOwn(CODES, of)) return text;
  return `\x1b[${color === "dark" ? "1;" : ""}${CODES[of as ColorOf]}m${text}\x1b[0m`;
}

/** Which colours "always", "auto" and "never" mean on this terminal: bold ones where COLORFGBG tells of a dark background. */
export function colorOf(when: string): Options["color"] {
  if (when === "never" || when === "auto" && !Deno.stdout.isTerminal()) return "";
  const background = /;(\d+)$/.exec(Deno.env.get("COLORFGBG") ?? "")?.[1];
  return background !== undefined && /^[0-68]$/.test(background) ? "dark" : "light";
}
