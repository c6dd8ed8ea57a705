/** A cipher, a MAC and a compressor without crypto or DEFLATE, for tests and benches of the datapath. */
import type { AuthTransform } from "../ah/auth.ts";
import type { Batch } from "../batch.ts";
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../esp/aead.ts";
import type { Compressor } from "../ipcomp/compressor.ts";

/**
 * Encrypts by XOR with a byte of SPI and sequence number, and authenticates by a sum over everything: wrong as
 * crypto, right as a witness of what was covered, and cheap.
 */
export class FakeTransform implements EspTransform {
  destroyed = false;
  constructor(
    readonly ivLength: number,
    readonly icvLength: number,
    readonly blockSize: number,
    readonly sum: boolean = true,
  ) {}

  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const start = esp + 8 + this.ivLength;
    batch.u8.fill(0xa5, esp + 8, start);
    if (!this.sum) return true;
    for (let i = start; i < start + length; i++) batch.u8[i] ^= 0x5a;
    this.#icv(batch, esp, length, seqHi, start + length);
    return true;
  }

  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    return !this.sum || this.#verify(batch, esp, length, seqHi);
  }

  destroy(): void {
    this.destroyed = true;
  }

  #verify(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    const start = esp + 8 + this.ivLength;
    const sent = batch.u8.slice(start + length, start + length + this.icvLength);
    this.#icv(batch, esp, length, seqHi, start + length);
    if (sent.some((b, i) => b !== batch.u8[start + length + i])) return false;
    for (let i = start; i < start + length; i++) batch.u8[i] ^= 0x5a;
    return true;
  }

  #icv(batch: Batch, esp: number, length: number, seqHi: number, at: number): void {
    let h = seqHi ^ 0x1234567;
    for (let i = esp; i < esp + 8 + this.ivLength + length; i++) h = Math.imul(h ^ batch.u8[i], 0x01000193);
    for (let i = 0; i < this.icvLength; i++) batch.u8[at + i] = h >>> (8 * (i & 3));
  }
}

/** The MAC of AH: a sum as well. */
class FakeAuth implements AuthTransform {
  constructor(readonly icvLength: number, readonly fullLength: number, readonly esn: boolean) {}

  sign(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    batch.u8.set(this.#icv(batch, at, length, seqHi), icv);
    return true;
  }

  verify(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    const sent = batch.u8.slice(icv, icv + this.icvLength);
    batch.u8.fill(0, icv, icv + this.icvLength);
    return this.#icv(batch, at, length, seqHi).every((byte, i) => byte === sent[i]);
  }

  destroy(): void {}

  #icv(batch: Batch, at: number, length: number, seqHi: number): Uint8Array {
    let h = this.esn ? seqHi ^ 0x7654321 : 0x1234567;
    for (let i = at; i < at + length; i++) h = Math.imul(h ^ batch.u8[i], 0x01000193);
    return Uint8Array.from({ length: this.icvLength }, (_, i) => h >>> (8 * (i & 3)));
  }
}

/** `sum` false leaves out the checksum as well: what remains is the datapath's own cost. */
export function fakeBackend(
  iv = 8,
  icv = 16,
  block = 4,
  sum = true,
): CryptoBackend & { made: FakeTransform[] } {
  const made: FakeTransform[] = [];
  return {
    name: "noble",
    made,
    create(spec: EspTransformSpec) {
      if (spec.aead?.name === "unknown") return { errno: "ENOSYS", message: "unknown algorithm" };
      const transform = new FakeTransform(iv, icv, block, sum);
      made.push(transform);
      return transform;
    },
    createAuth: ({ auth, esn }) =>
      auth.name === "unknown"
        ? { errno: "ENOSYS", message: "unknown algorithm" }
        : new FakeAuth(auth.truncBits / 8, 32, esn),
  };
}

/** Runs of one byte become that byte and their length less one: no DEFLATE, but of the same kind. */
export class FakeCompressor implements Compressor {
  #result: number[] = [];

  deflate(batch: Batch, at: number, length: number): number {
    this.#result = [];
    for (let i = at; i < at + length;) {
      let run = 1;
      while (run < 256 && i + run < at + length && batch.u8[i + run] === batch.u8[i]) run++;
      this.#result.push(batch.u8[i], run - 1);
      i += run;
    }
    return this.#result.length;
  }

  inflate(batch: Batch, at: number, length: number, most: number): number {
    if (length % 2 !== 0) return -1;
    this.#result = [];
    for (let i = at; i < at + length; i += 2) {
      for (let run = batch.u8[i + 1]; run >= 0; run--) this.#result.push(batch.u8[i]);
      if (this.#result.length > most) return -1;
    }
    return this.#result.length;
  }

  take(batch: Batch, at: number): void {
    batch.u8.set(this.#result, at);
  }
}
