/** The gateway's client in this process: a start of its own for each of hundreds of commands would take minutes. */
import { client } from "../../../cli/main.ts";
import type { Daemon } from "../../doubles/daemon.ts";
import type { Ran } from "../../doubles/topology.ts";

/** Words of `ip`; `""` in the text is an empty word. */
export const splitWords = (text: string): string[] =>
  text.trim().split(/\s+/).map((word) => word === '""' ? "" : word);

/** Runs the client; `words` without `ip`. */
export async function tryGatewayIp(daemon: Daemon, netns: string, words: readonly string[]): Promise<Ran> {
  let [stdout, stderr] = ["", ""];
  const code = await client(["-n", netns, ...words], {
    runDir: daemon.runDir,
    stdout: (text) => stdout += text,
    stderr: (text) => stderr += text,
  });
  return { code, stdout, stderr };
}

/** The same when it has to succeed; returns what it printed. */
export async function gatewayIp(daemon: Daemon, netns: string, text: string): Promise<string> {
  const { code, stdout, stderr } = await tryGatewayIp(daemon, netns, splitWords(text));
  if (code === 0) return stdout;
  throw new Error(`Cannot run "ip ${text}" for the gateway: exit code ${code}, ${stderr.trim()}`);
}
