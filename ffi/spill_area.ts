/** Where long messages are completed: one place of 64 KiB per message, outside any slab. */
import { MESSAGES, type MmsgTable } from "./mmsg.ts";
import { type NativeTable, nativeTable } from "./struct_layout.ts";

/** Bytes of a place: the longest IPv4 packet fits. */
export const SPILL_BYTES = 65536;
/** Packets of a place whose pointers are kept. */
const KEPT_POINTERS = 64;

/** 4 MiB of address space; pages that no long message touched cost nothing. */
export class SpillArea {
  readonly #table: NativeTable = nativeTable(MESSAGES * SPILL_BYTES);
  readonly #base = Deno.UnsafePointer.value(this.#table.pointer);
  /** Pointers to packet k of place m, for the packet size that place had last. */
  readonly #pointers: (Deno.PointerObject | null)[] = new Array(MESSAGES * KEPT_POINTERS).fill(null);
  readonly #sizes = new Int32Array(MESSAGES);

  /** Points iovec `k` of message `m` at its place, `offset` bytes in, for what is left of it. */
  aim(table: MmsgTable, m: number, k: number, offset: number): void {
    table.setIovecBase(m, k, this.#table.lo, this.#table.hi, m * SPILL_BYTES + offset);
    table.setIovecLength(m, k, SPILL_BYTES - offset);
  }

  /**
   * Pointer to byte `offset` of place `m`, a multiple of `size`: the length of the packets there. Packets of one length
   * follow each other in a flow, so nothing is allocated but when it changes.
   */
  pointerAt(m: number, offset: number, size: number): Deno.PointerObject {
    const k = size === 0 ? 0 : offset / size;
    const at = m * KEPT_POINTERS + k;
    if (k < KEPT_POINTERS && (k === 0 || this.#sizes[m] === size)) {
      const kept = this.#pointers[at];
      if (kept !== null) return kept;
    }
    const pointer = Deno.UnsafePointer.create(this.#base + BigInt(m * SPILL_BYTES + offset))!;
    if (k === 0) this.#pointers[at] = pointer;
    else if (k < KEPT_POINTERS) {
      if (this.#sizes[m] !== size) {
        this.#pointers.fill(null, m * KEPT_POINTERS + 1, (m + 1) * KEPT_POINTERS);
        this.#sizes[m] = size;
      }
      this.#pointers[at] = pointer;
    }
    return pointer;
  }
}
