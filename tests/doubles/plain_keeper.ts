/** A Keeper of memory alone, whose addresses stand for themselves. */
import { ok, type Result } from "../../actors/control/kernel_error.ts";
import { type Keeper, type Kept, type Slot, SLOT_MEMORY_BYTES } from "../../actors/control/keeper.ts";

export class PlainKeeper implements Keeper {
  readonly #memory = new Map<bigint, ArrayBuffer>();
  /** What a store would have now, by identity. */
  readonly kept = new Map<string, Kept>();
  /** Identities of the slots in use. */
  readonly slots = new Set<string>();
  /** What add() answers when it is not null. */
  refusal: Result<void> | null = null;

  allocate(): Result<Slot> {
    const address = BigInt(this.#memory.size + 1) * 4096n;
    const identity = address.toString(16).padStart(32, "0");
    const memory = new ArrayBuffer(SLOT_MEMORY_BYTES);
    this.#memory.set(address, memory);
    this.slots.add(identity);
    return ok({ identity, address, memory, lost: false });
  }

  release(slot: Slot): void {
    if (!this.slots.delete(slot.identity)) {
      throw new Error(`Cannot release slot ${slot.identity}: it is free`);
    }
  }

  add(thing: Kept): Result<void> {
    if (this.refusal !== null) return this.refusal;
    this.change(thing);
    return ok(undefined);
  }

  change(thing: Kept): void {
    this.kept.set(thing.slot.identity, thing);
  }

  remove(slot: Slot): void {
    this.kept.delete(slot.identity);
  }

  memoryAt(address: bigint): ArrayBuffer {
    return this.#memory.get(address)!;
  }
}
