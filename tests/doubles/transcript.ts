/** Transcripts of a terminal: "$ command", what it printed, "[stderr] …" where to stderr, "[exit N]". */

export interface Entry {
  readonly command: string;
  /** The command's words, when it is a plain `ip …` without redirection, pipe or list; else null. */
  readonly words: readonly string[] | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export async function readTranscript(name: string): Promise<Entry[]> {
  const text = await Deno.readTextFile(new URL(`../vectors/iproute2/${name}`, import.meta.url));
  const entries: Entry[] = [];
  let command: string | undefined;
  let [stdout, stderr] = ["", ""];
  for (const line of text.split("\n")) {
    if (command === undefined) {
      if (line.startsWith("$ ")) [command, stdout, stderr] = [line.slice(2), "", ""];
    } else if (line.startsWith("[stderr] ")) {
      stderr += `${line.slice("[stderr] ".length)}\n`;
    } else if (line.startsWith("[exit ")) {
      const exitCode = Number.parseInt(line.slice("[exit ".length));
      entries.push({ command, words: ipWords(command), stdout, stderr, exitCode });
      command = undefined;
    } else {
      stdout += `${line}\n`;
    }
  }
  return entries;
}

function ipWords(command: string): string[] | null {
  return !command.startsWith("ip ") || /[;|>]/.test(command) ? null : splitWords(command).slice(1);
}

/** Words of a plain command, as a shell takes quotes away. */
export function splitWords(command: string): string[] {
  const words = command.match(/"[^"]*"|'[^']*'|[^\s"']+/g)!;
  return words.map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
}
