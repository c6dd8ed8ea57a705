/** Keeper of one namespace, with a state directory. */
import type { Kept, Slot } from "../control/keeper.ts";
import { fail, ok, type Result } from "../control/kernel_error.ts";
import type { NetnsKeeper, StoredThing } from "./netns_keeper.ts";
import { allocateIn } from "./process_keepers.ts";
import type { StateKeepers } from "./state_keepers.ts";

export class StateKeeper implements NetnsKeeper {
  readonly mib: Slot;
  readonly persistent = true;
  readonly #keepers: StateKeepers;
  readonly #netns: string;

  constructor(keepers: StateKeepers, netns: string, stored: StoredThing | null) {
    this.#keepers = keepers;
    this.#netns = netns;
    this.mib = stored?.slot ?? keepers.memory.allocate();
  }

  describe(inode: number, made: boolean): void {
    this.#keepers.describe(this.#netns, this.mib, inode, made);
  }

  stored(): StoredThing[] {
    return this.#keepers.take(this.#netns);
  }

  allocate(): Result<Slot> {
    return allocateIn(this.#keepers.memory);
  }

  release(slot: Slot): void {
    this.#keepers.memory.release(slot.identity);
  }

  add(thing: Kept): Result<void> {
    const error = this.#keepers.add(this.#netns, withSecret(thing));
    return error === null
      ? ok(undefined)
      : fail("ENOBUFS", `Cannot keep the ${thing.kind}: ${error.message}`);
  }

  change(thing: Kept): void {
    this.#keepers.put(this.#netns, withSecret(thing));
  }

  remove(slot: Slot): void {
    this.#keepers.remove(slot.identity);
  }

  drop(slot: Slot): void {
    this.#keepers.drop(slot.identity);
  }

  commit(): void {
    this.#keepers.commit();
  }

  forget(): void {
    this.#keepers.forget(this.#netns);
  }
}

function withSecret(thing: Kept): StoredThing {
  return { ...thing, secret: thing.secret ?? new Uint8Array() };
}
