/** Whether, where and how the daemon keeps its state. */
import type { StateOptions } from "../actors/store/state_keepers.ts";
import { fileErrorReason } from "./file_error.ts";
import { readStateKey } from "./state_key.ts";

const DIR_MODE = 0o700;

/**
 * A directory that can't be written to is an error when there is a state in it, because going on without would repeat
 * sequence numbers; and else a warning.
 */
export async function stateOptions(dir: string, log: (line: string) => void): Promise<StateOptions | null> {
  const key = readStateKey();
  const problem = await dirProblem(dir);
  if (problem === null) return { dir, key };
  if (await exists(`${dir}/state.db`)) {
    throw new Error(`Cannot go on from the state in ${dir}: ${problem}; make it writable`);
  }
  log(
    `Nothing will outlive this daemon: state directory ${dir}: ${problem}; choose another with --state-dir`,
  );
  return null;
}

async function dirProblem(dir: string): Promise<string | null> {
  try {
    await Deno.mkdir(dir, { recursive: true, mode: DIR_MODE });
    await Deno.remove(await Deno.makeTempFile({ dir }));
    return null;
  } catch (error) {
    return fileErrorReason(error);
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
