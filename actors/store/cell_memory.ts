/**
 * Memory of counters, replay windows and leases, in slots of one size: of the process, or of a file that keeps it when
 * the process is killed. Main thread; actors get the address of a slot.
 *
 * The file belongs in memory (tmpfs): a write to a page of a file on disk may wait for that disk, and packets with it.
 *
 * File: a page with magic, version, the id that the store knows it by, and the boot it belongs to; then the slots.
 * Slot: 64 bytes with its identity (16 bytes, 0 free) and flags, then SLOT_MEMORY_BYTES of cells. All in host order:
 * the file never leaves the host, nor outlives its boot.
 */
import { ENOSPC, SyscallError } from "../../ffi/errno.ts";
import { MappedFile, memoryAt, ProcessMemory } from "../../ffi/shared_memory.ts";
import { type Slot, SLOT_MEMORY_BYTES } from "../control/keeper.ts";

const FILE_HEADER_BYTES = 4096;
const SLOT_HEADER_BYTES = 64;
export const SLOT_BYTES: number = SLOT_HEADER_BYTES + SLOT_MEMORY_BYTES;
const MAX_SLOTS = 1 << 20;
const MAX_BYTES = FILE_HEADER_BYTES + MAX_SLOTS * SLOT_BYTES;
/** Slots that a file grows by. */
const GROWTH_SLOTS = 64;

const MAGIC = "vti-gateway cells";
/** Of the layout of file and cells. */
const VERSION = 1;
/** Bytes of a slot's header: identity, then flags. */
const FLAGS_AT = 16;
const FLAG_LOST = 1;

/** What a file is known by. */
export interface CellFileId {
  /** 32 hex digits; new whenever the contents begin anew. */
  readonly id: string;
  /** /proc/sys/kernel/random/boot_id. */
  readonly boot: string;
}

export class CellMemory {
  readonly #memory: MappedFile | ProcessMemory;
  /** Slots that exist; those of a file as far as it has grown. */
  #slots = 0;
  #free: number[] = [];
  readonly #used = new Map<string, number>();
  readonly #tainted = new Set<number>();

  /** Memory of the process, or of the file at `path`; throws SyscallError. */
  constructor(path?: string) {
    this.#memory = path === undefined ? new ProcessMemory(MAX_BYTES) : new MappedFile(path, MAX_BYTES);
  }

  /** Takes over what the file holds. False when that is not what the store left there during this boot. */
  resume(wanted: CellFileId): boolean {
    return this.#header() === headerText(wanted) && this.#readSlots();
  }

  /** What the file holds of this boot, whatever beginning it is of; nothing is taken over. By identity, as save(). */
  former(boot: string): Map<string, Uint8Array> {
    const [id = ""] = /[0-9a-f]{32}/.exec(this.#header()) ?? [];
    if (!this.resume({ id, boot })) return new Map();
    return new Map(this.identities.map((identity) => [identity, this.save(identity)]));
  }

  #readSlots(): boolean {
    const file = this.#memory as MappedFile;
    this.#free = [];
    this.#used.clear();
    this.#slots = Math.floor((file.bytes - FILE_HEADER_BYTES) / SLOT_BYTES);
    for (let index = this.#slots - 1; index >= 0; index--) {
      const identity = new Uint8Array(this.#headerOf(index), 0, 16).toHex();
      if (/^0+$/.test(identity)) this.#free.push(index);
      else this.#used.set(identity, index);
    }
    return true;
  }

  /** Begins anew. The file is known by `id` from now on. Throws SyscallError. */
  reset(id: CellFileId): void {
    const file = this.#memory as MappedFile;
    file.grow(FILE_HEADER_BYTES);
    // In this order: no kill in between leaves slots that look like this id's.
    new Uint8Array(memoryAt(file.address, file.bytes)).fill(0);
    new TextEncoder().encodeInto(headerText(id), new Uint8Array(memoryAt(file.address, FILE_HEADER_BYTES)));
    this.#slots = Math.floor((file.bytes - FILE_HEADER_BYTES) / SLOT_BYTES);
    this.#free = Array.from({ length: this.#slots }, (_, i) => this.#slots - 1 - i);
    this.#used.clear();
  }

  #header(): string {
    if ((this.#memory as MappedFile).bytes < FILE_HEADER_BYTES) return "";
    const bytes = new Uint8Array(memoryAt(this.#memory.address, FILE_HEADER_BYTES));
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  get identities(): readonly string[] {
    return [...this.#used.keys()];
  }

  /** The slot with this identity, or null. */
  find(identity: string): Slot | null {
    const index = this.#used.get(identity);
    return index === undefined ? null : this.#slot(index, identity);
  }

  /** A slot of zeros. `lost`: it stands for one whose contents are gone. Throws SyscallError without room. */
  allocate(identity: string = newIdentity(), lost = false): Slot {
    if (this.#free.length === 0) this.#grow();
    const index = this.#free.pop()!;
    new Uint8Array(memoryAt(this.#addressOf(index), SLOT_MEMORY_BYTES)).fill(0);
    const header = new Uint8Array(this.#headerOf(index));
    header[FLAGS_AT] = lost ? FLAG_LOST : 0;
    header.set(Uint8Array.fromHex(identity));
    this.#used.set(identity, index);
    return this.#slot(index, identity);
  }

  #grow(): void {
    const slots = Math.min(this.#slots + GROWTH_SLOTS, MAX_SLOTS);
    if (slots === this.#slots) throw new SyscallError("Get memory for counters", "all slots taken", ENOSPC);
    if (this.#memory instanceof MappedFile) this.#memory.grow(FILE_HEADER_BYTES + slots * SLOT_BYTES);
    for (let index = slots - 1; index >= this.#slots; index--) this.#free.push(index);
    this.#slots = slots;
  }

  release(identity: string): void {
    const index = this.#used.get(identity);
    if (index === undefined) return;
    this.#used.delete(identity);
    new Uint8Array(this.#headerOf(index)).fill(0);
    if (!this.#tainted.has(index)) this.#free.push(index);
  }

  /** A thread was given up that may wake again: no slot it may know of is given to another thing while it can. */
  taint(): void {
    for (const index of this.#used.values()) this.#tainted.add(index);
  }

  /** Everything of a slot, flags and cells: what restore() takes. */
  save(identity: string): Uint8Array<ArrayBuffer> {
    const index = this.#used.get(identity)!;
    return new Uint8Array(memoryAt(this.#addressOf(index) - BigInt(SLOT_HEADER_BYTES), SLOT_BYTES)).slice(
      FLAGS_AT,
    );
  }

  restore(identity: string, saved: Uint8Array, lost: boolean = saved[0] === FLAG_LOST): Slot {
    const slot = this.allocate(identity, lost);
    new Uint8Array(slot.memory).set(saved.subarray(SLOT_HEADER_BYTES - FLAGS_AT));
    return slot;
  }

  /** No view may be touched afterwards. */
  close(): void {
    this.#memory.close();
  }

  /** Takes the file away, whose contents are kept elsewhere, or for nothing. */
  remove(): void {
    if (this.#memory instanceof MappedFile) this.#memory.unlink();
  }

  #slot(index: number, identity: string): Slot {
    const address = this.#addressOf(index);
    const lost = new Uint8Array(this.#headerOf(index))[FLAGS_AT] === FLAG_LOST;
    return { identity, address, memory: memoryAt(address, SLOT_MEMORY_BYTES), lost };
  }

  #headerOf(index: number): ArrayBuffer {
    return memoryAt(this.#addressOf(index) - BigInt(SLOT_HEADER_BYTES), SLOT_HEADER_BYTES);
  }

  #addressOf(index: number): bigint {
    return this.#memory.address + BigInt(FILE_HEADER_BYTES + index * SLOT_BYTES + SLOT_HEADER_BYTES);
  }
}

/** 16 random bytes. */
export function newIdentity(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

function headerText({ id, boot }: CellFileId): string {
  return `${MAGIC} ${VERSION} ${SLOT_BYTES} ${id} ${boot}\n`;
}
