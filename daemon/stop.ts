/**
 * `stop`: ends the daemon, which saves its state and leaves its devices where they are, for the next one to go on with.
 * `stop --remove`: takes devices and state away too, of a daemon that has ended as well.
 */
import { parseArgs } from "node:util";
import { removeState } from "../actors/store/remove_state.ts";
import { answersOn } from "./start_checks.ts";
import { isAlive, readPid } from "./pid_file.ts";

/** Milliseconds. */
const END_TIMEOUT = 10_000;
const LOOK_INTERVAL = 20;

/** Returns the exit code. */
export async function stop(args: readonly string[]): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      strict: true,
      options: {
        remove: { type: "boolean", default: false },
        "run-dir": { type: "string", default: "/run/vti-gateway" },
        "state-dir": { type: "string", default: "/var/lib/vti-gateway" },
      },
    }));
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  const { "run-dir": runDir, "state-dir": stateDir, remove } = values;
  try {
    const ended = await endDaemon(runDir);
    if (!ended && !remove) {
      console.error(`No daemon answers on ${runDir}/api.sock`);
      return 1;
    }
    const left = remove ? removeState(stateDir) : [];
    for (const line of left) console.error(line);
    return left.length === 0 ? 0 : 1;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

/** False when there is none. */
async function endDaemon(runDir: string): Promise<boolean> {
  if (!await answersOn(runDir)) return false;
  const pid = await readPid(runDir);
  if (pid === null) throw new Error(`Cannot stop the daemon of ${runDir}: its pid file is missing`);
  Deno.kill(pid, "SIGTERM");
  for (let waited = 0; waited < END_TIMEOUT; waited += LOOK_INTERVAL) {
    if (!isAlive(pid)) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL));
  }
  throw new Error(
    `Cannot stop the daemon of ${runDir}: process ${pid} has not ended within ${END_TIMEOUT} ms`,
  );
}
