/** Keepers without a state directory: memory that outlives workers, and nothing that outlives the process. */
import { SyscallError } from "../../ffi/errno.ts";
import type { Kept, Slot } from "../control/keeper.ts";
import { fail, ok, type Result } from "../control/kernel_error.ts";
import { wallOffset } from "../steady_clock.ts";
import { CellMemory } from "./cell_memory.ts";
import type { Keepers, NetnsKeeper, StoredNetns, StoredThing } from "./netns_keeper.ts";

export class ProcessKeepers implements Keepers {
  readonly clockOffset: number = wallOffset();
  readonly #memory = new CellMemory();

  namespaces(): StoredNetns[] {
    return [];
  }

  forget(_netns: string): void {}

  of(_netns: string): NetnsKeeper {
    return new ProcessKeeper(this.#memory);
  }

  taint(): void {
    this.#memory.taint();
  }

  close(orderly: boolean): void {
    // A thread that may still run would write into what is no longer there.
    if (orderly) this.#memory.close();
  }
}

class ProcessKeeper implements NetnsKeeper {
  readonly mib: Slot;
  readonly persistent = false;
  readonly #memory: CellMemory;

  constructor(memory: CellMemory) {
    this.#memory = memory;
    this.mib = memory.allocate();
  }

  describe(): void {}

  stored(): StoredThing[] {
    return [];
  }

  drop(_slot: Slot): void {}

  commit(): void {}

  allocate(): Result<Slot> {
    return allocateIn(this.#memory);
  }

  release(slot: Slot): void {
    this.#memory.release(slot.identity);
  }

  add(thing: Kept): Result<void> {
    this.change(thing);
    return ok(undefined);
  }

  change({ secret }: Kept): void {
    secret?.fill(0);
  }

  remove(_slot: Slot): void {}

  forget(): void {
    this.#memory.release(this.mib.identity);
  }
}

export function allocateIn(memory: CellMemory): Result<Slot> {
  try {
    return ok(memory.allocate());
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return fail("ENOBUFS", `Cannot keep counters: ${error.message}`);
  }
}
