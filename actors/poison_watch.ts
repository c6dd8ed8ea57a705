/** The main thread's side of the quarantine: finds out what a worker that hangs was doing, and remembers its packet. */
import { memoryAt, ProcessMemory } from "../ffi/shared_memory.ts";
import type { QuarantineInit } from "./messages.ts";
import {
  DIGESTED_BYTES,
  digestOf,
  MARK_BYTES,
  MARK_HEAD,
  MARK_LENGTH,
  MARK_STAGE,
  type PacketDigest,
  type Stage,
  STAGES,
} from "./poison_mark.ts";
import { type ActorId, MAX_ACTORS } from "./runtime/behaviour.ts";

/** How long an actor processes packets one at a time after its worker hung, milliseconds. */
const CAREFUL_MS = 60_000;
/** The same once it knows a packet to drop. */
const QUARANTINE_MS = 600_000;
/** Packets that an actor knows at the most; the oldest go. */
const MAX_KNOWN = 16;

interface Suspicion {
  readonly known: PacketDigest[];
  /** Milliseconds, as the clock. */
  until: number;
}

export class PoisonWatch {
  readonly #memory = new ProcessMemory(MAX_ACTORS * MARK_BYTES);
  readonly #suspicions = new Map<ActorId, Suspicion>();
  readonly #clock: () => number;

  /** `clock` gives milliseconds, monotonic. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** What an actor starts with, as things stand. */
  initOf(actor: ActorId): QuarantineInit {
    const mark = this.#memory.address + BigInt(actor * MARK_BYTES);
    const suspicion = this.#suspicions.get(actor);
    const carefulMs = Math.max(0, (suspicion?.until ?? 0) - this.#clock());
    if (carefulMs === 0) this.#suspicions.delete(actor);
    return { mark, carefulMs, known: carefulMs === 0 ? [] : [...suspicion!.known] };
  }

  /**
   * A worker with these actors hangs: their successors will be careful with what it was doing. Says which actor that
   * was, and what is done; null when it had no packets in hand.
   */
  hung(actors: readonly ActorId[], nameOf: (actor: ActorId) => string): string | null {
    const actor = actors.find((actor) => this.#markOf(actor)[MARK_STAGE] !== 0);
    if (actor === undefined) return null;
    const mark = this.#markOf(actor);
    const [stage, length] = [mark[MARK_STAGE] as Stage, mark[MARK_LENGTH]!];
    const where = `in ${nameOf(actor)}, ${STAGES[stage]}`;
    const suspicion = this.#suspicions.get(actor) ?? { known: [], until: 0 };
    this.#suspicions.set(actor, suspicion);
    mark[MARK_STAGE] = 0;
    if (length === 0) {
      suspicion.until = Math.max(suspicion.until, this.#clock() + CAREFUL_MS);
      return `${where}: packets are processed one at a time for ${CAREFUL_MS / 1000} s`;
    }
    const digest = digestOf(stage, length, new Uint8Array(mark.buffer, MARK_HEAD, DIGESTED_BYTES));
    suspicion.known.push(digest);
    if (suspicion.known.length > MAX_KNOWN) suspicion.known.shift();
    suspicion.until = this.#clock() + QUARANTINE_MS;
    return `${where}: packets like this one are dropped for ${QUARANTINE_MS / 1000} s, ${
      describePacket(digest)
    }`;
  }

  #markOf(actor: ActorId): Int32Array<ArrayBuffer> {
    return new Int32Array(memoryAt(this.#memory.address + BigInt(actor * MARK_BYTES), MARK_BYTES));
  }

  /** To be called when no worker runs any more. */
  close(): void {
    this.#memory.close();
  }
}

/** A packet in words that show nothing of it. */
export function describePacket({ length, sha256 }: PacketDigest): string {
  return `${length} bytes, SHA-256 ${sha256}`;
}
