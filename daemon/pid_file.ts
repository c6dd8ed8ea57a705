/** Which process the daemon of a run directory is. */
import { readProcFile } from "../ffi/proc_file.ts";
import { SyscallError } from "../ffi/errno.ts";

export class PidFile implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Writes it; disposing of it removes it. */
  static async write(runDir: string): Promise<PidFile> {
    const file = new PidFile(pidPath(runDir));
    await Deno.writeTextFile(file.#path, `${Deno.pid}\n`);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#path).catch(() => {});
  }
}

/** Null when the directory has none. */
export async function readPid(runDir: string): Promise<number | null> {
  try {
    return Number(await Deno.readTextFile(pidPath(runDir)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended; its parent has only not looked yet.
    return !/^State:\s*Z/m.test(readProcFile(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}

function pidPath(runDir: string): string {
  return `${runDir}/pid`;
}
