/** Runs the client in this process against a canned API. */
import { client } from "../../cli/main.ts";
import { type ApiAnswer, type ApiRequest, ApiServer } from "./api_server.ts";

export interface ClientRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly requests: readonly ApiRequest[];
}

/** The words without `ip`. */
export async function runClient(
  words: readonly string[],
  answer: (request: ApiRequest) => ApiAnswer,
): Promise<ClientRun> {
  await using server = await ApiServer.start(answer);
  return await runAgainst(server, words);
}

export async function runAgainst(server: ApiServer, words: readonly string[]): Promise<ClientRun> {
  let [stdout, stderr] = ["", ""];
  const before = server.requests.length;
  const exitCode = await client(words, {
    runDir: server.runDir,
    stdout: (text) => stdout += text,
    stderr: (text) => stderr += text,
  });
  return { exitCode, stdout, stderr, requests: server.requests.slice(before) };
}
