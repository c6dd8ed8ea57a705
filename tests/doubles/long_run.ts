/** The words that a long run takes. */

export const NUMBER = /^\d+$/;
export const PLACEMENT = /^(packed|isolated)$/;

/** The process's words when each fits its pattern; else prints `usage` and ends the process: --help is no error. */
export function wordsOfRun(usage: string, patterns: readonly RegExp[]): readonly string[] {
  const words = Deno.args;
  if (words.length <= patterns.length && words.every((word, i) => patterns[i]!.test(word))) return words;
  const asked = words.includes("--help");
  (asked ? console.log : console.error)(usage);
  Deno.exit(asked ? 0 : 2);
}
