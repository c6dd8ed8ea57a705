/** The files of a state directory, and the one that goes with it in memory. */
import { ENOENT, SyscallError } from "../../ffi/errno.ts";
import { CellMemory, newIdentity } from "./cell_memory.ts";
import { Database } from "./database.ts";

const DIR_MODE = 0o700;
/** Files here are memory, and a write to them waits for no disk. */
export const MEMORY_DIR = "/dev/shm";

export function databaseFile(dir: string): string {
  return `${dir}/state.db`;
}

/** Throws an Error that says what is wrong with it. */
export function openDatabase(dir: string): Database {
  const path = databaseFile(dir);
  try {
    Deno.mkdirSync(dir, { recursive: true, mode: DIR_MODE });
    return new Database(path);
  } catch (error) {
    const { message } = error as Error;
    const what = message === "database is locked" ? "another vti-gateway uses it" : message;
    throw new Error(`Open the state in ${path}: ${what}`, { cause: error });
  }
}

/** The store's file of cells: in memory, or beside the store on a host without such a place. */
export function openCells(db: Database, dir: string, memoryDir: string): CellMemory {
  if (db.meta("store") === undefined) db.write({ meta: { store: newIdentity() } });
  const [inMemory, beside] = cellFiles(db, dir, memoryDir);
  try {
    return new CellMemory(inMemory);
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === ENOENT)) throw error;
    return new CellMemory(beside);
  }
}

/** Both places where the file of cells may be. */
export function cellFiles(db: Database, dir: string, memoryDir: string = MEMORY_DIR): [string, string] {
  return [`${memoryDir}/vti-gateway-${db.meta("store")}`, `${dir}/cells`];
}
