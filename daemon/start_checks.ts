/** What keeps the daemon from starting, told before anything is made, in one sentence with what helps. */
import { probeHost } from "../ffi/capabilities.ts";
import { fileErrorReason } from "./file_error.ts";
import type { DaemonOptions } from "./options.ts";

const RUN_DIR_MODE = 0o750;

/** Null when nothing is in the way. */
export async function startProblem(options: DaemonOptions): Promise<string | null> {
  return hostProblem() ?? await runDirProblem(options.runDir) ?? await rivalProblem(options.runDir);
}

/** The first thing that the host lacks: the others mostly follow from it, and `doctor` has them all. */
function hostProblem(): string | null {
  const lacking = probeHost().find(({ ok, required }) => required && !ok);
  if (lacking === undefined) return null;
  const { name, detail, remedy } = lacking;
  return `Cannot start: ${name}: ${detail}${remedy === "" ? "" : `; ${remedy}`}`;
}

async function runDirProblem(runDir: string): Promise<string | null> {
  try {
    await Deno.mkdir(runDir, { recursive: true, mode: RUN_DIR_MODE });
    await Deno.remove(await Deno.makeTempFile({ dir: runDir }));
    return null;
  } catch (error) {
    return `Cannot use run directory ${runDir}: ${fileErrorReason(error)}; choose another with --run-dir`;
  }
}

async function rivalProblem(runDir: string): Promise<string | null> {
  if (!await answersOn(runDir)) return null;
  return `Cannot start: another daemon answers on ${runDir}/api.sock; stop it, or choose another --run-dir`;
}

/** Whether a daemon has this run directory. */
export async function answersOn(runDir: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: `${runDir}/api.sock` })).close();
    return true;
  } catch {
    return false;
  }
}

/** A failure of the start in one sentence; `listen` is --listen. */
export function startFailure(error: unknown, { hostname, port }: DaemonOptions["listen"]): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith(`Cannot listen on ${hostname}:${port}`) && message.endsWith("EADDRINUSE")) {
    return `Cannot listen on ${hostname}:${port}: the port is in use; ` +
      `choose another with --listen HOST:PORT, port 0 for a free one`;
  }
  return message;
}
