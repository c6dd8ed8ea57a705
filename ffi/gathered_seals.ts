/**
 * Seals of a batch that are done together, and alone where there are too few of them.
 *
 * Between begin() and end() a seal only writes its IV slot and notes the packet; flush() encrypts what was noted. So
 * whoever calls begin() must call end() before the batch goes on: until then the packets are in clear.
 */
import { ADDRESS_HI, ADDRESS_LO, type Batch, BATCH_PACKETS } from "../datapath/batch.ts";
import type { EspTransform, SealsTogether } from "../datapath/esp/aead.ts";
import { type CbcHmacJobs, type CbcHmacKey, ICV_BYTES } from "./cbc_hmac_ipsec_mb.ts";
import { type IvSecret, writeUniqueBlock } from "./esp_iv.ts";

const IV_BYTES = 16;
const ESP_HEADER_BYTES = 8;
const TEXT_AT = ESP_HEADER_BYTES + IV_BYTES;
/** From so many on, lanes are faster than one packet after the other: by measurement for 64 bytes and for 1408. */
const FEW = 4;

export class GatheredSeals implements SealsTogether {
  readonly #jobs: CbcHmacJobs;
  gathering = false;
  #count = 0;
  #batch: Batch | null = null;
  readonly #transforms: (GatheredTransform | null)[] = new Array(BATCH_PACKETS).fill(null);
  readonly #esp = new Int32Array(BATCH_PACKETS);
  readonly #length = new Int32Array(BATCH_PACKETS);
  readonly #seqHi = new Int32Array(BATCH_PACKETS);
  readonly #job = new Int32Array(BATCH_PACKETS);

  constructor(jobs: CbcHmacJobs) {
    this.#jobs = jobs;
  }

  begin(): void {
    this.gathering = true;
  }

  end(): void {
    this.flush();
    this.gathering = false;
  }

  add(transform: GatheredTransform, batch: Batch, esp: number, length: number, seqHi: number): void {
    if (this.#count === BATCH_PACKETS) this.flush();
    const i = this.#count++;
    this.#batch = batch;
    this.#transforms[i] = transform;
    this.#esp[i] = esp;
    this.#length[i] = length;
    this.#seqHi[i] = seqHi;
  }

  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    const batch = this.#batch!;
    if (count >= FEW) this.#together(batch, count);
    for (let i = 0; i < count; i++) {
      const transform = this.#transforms[i]!;
      if (count < FEW || !this.#jobs.done(this.#job[i])) {
        transform.alone(batch, this.#esp[i], this.#length[i], this.#seqHi[i]);
      }
      this.#transforms[i] = null;
    }
    this.#count = 0;
    this.#batch = null;
  }

  /** 1. With ESN, the high half where the ICV will be, for the MAC to take in (RFC 4303 §2.2.1). 2. The jobs. */
  #together(batch: Batch, count: number): void {
    const lo = batch.i32[ADDRESS_LO], hi = batch.i32[ADDRESS_HI];
    for (let i = 0; i < count; i++) {
      const { esn, key } = this.#transforms[i]!;
      const esp = this.#esp[i], length = this.#length[i];
      if (esn) batch.view.setInt32(esp + TEXT_AT + length, this.#seqHi[i]);
      this.#job[i] = this.#jobs.submit(lo, hi, esp, length, key, esn ? 4 : 0);
    }
    this.#jobs.flush();
  }
}

/** Seals with cbc(aes) and hmac(sha256). */
export class GatheredTransform implements EspTransform {
  readonly ivLength = IV_BYTES;
  readonly icvLength = ICV_BYTES;
  readonly blockSize = IV_BYTES;
  readonly key: CbcHmacKey;
  readonly esn: boolean;
  readonly #seals: GatheredSeals;
  readonly #secret: IvSecret;
  /** What seals one packet by itself, with the same keys. */
  readonly #one: EspTransform;
  #destroyed = false;

  constructor(seals: GatheredSeals, key: CbcHmacKey, esn: boolean, secret: IvSecret, one: EspTransform) {
    this.#seals = seals;
    this.key = key;
    this.esn = esn;
    this.#secret = secret;
    this.#one = one;
  }

  seal(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    if (!this.#seals.gathering) return this.#one.seal(batch, esp, length, seqHi);
    if (this.#destroyed || length < 0 || length % IV_BYTES !== 0) return false;
    const seqLo = batch.view.getInt32(esp + 4);
    writeUniqueBlock(batch, esp + ESP_HEADER_BYTES, IV_BYTES, seqHi, seqLo, this.#secret);
    this.#seals.add(this, batch, esp, length, seqHi);
    return true;
  }

  /** Seals a gathered packet by itself. What can't be sealed is wiped: the peer refuses it, and nothing leaves in clear. */
  alone(batch: Batch, esp: number, length: number, seqHi: number): void {
    if (!this.#one.seal(batch, esp, length, seqHi)) {
      batch.u8.fill(0, esp + ESP_HEADER_BYTES, esp + TEXT_AT + length);
    }
  }

  open(batch: Batch, esp: number, length: number, seqHi: number): boolean {
    return this.#one.open(batch, esp, length, seqHi);
  }

  destroy(): void {
    this.#destroyed = true;
    this.key.memory.u8.fill(0);
    this.#secret.fill(0);
    this.#one.destroy();
  }
}
