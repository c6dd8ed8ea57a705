/** Colours, on a terminal and where NO_COLOR does not forbid them (https://no-color.org). */
const inColour = Deno.stdout.isTerminal() && !Deno.noColor;

const sgr = (on: number, off: number) => (text: string) => inColour ? `\x1b[${on}m${text}\x1b[${off}m` : text;

export const bold = sgr(1, 22);
export const dim = sgr(2, 22);
export const red = sgr(31, 39);
export const green = sgr(32, 39);
export const yellow = sgr(33, 39);
