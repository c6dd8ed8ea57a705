/** MACs of AH by libcrypto. */
import type { AuthSpec, AuthTransform } from "../datapath/ah/auth.ts";
import type { Batch } from "../datapath/batch.ts";
import { type AuthPlan, isRefusal, planAuth, type Refusal, refuseUnknown } from "./esp_algorithms.ts";
import * as scratch from "./esp_scratch.ts";
import type { Libcrypto } from "./libcrypto.ts";
import { makeMac, type PacketMac } from "./mac_libcrypto.ts";

/** Where the ICV of a received packet waits while its place is zero. */
const received = new Uint8Array(scratch.TAG_BYTES);

export function createAuth(lib: Libcrypto, spec: AuthSpec): AuthTransform | Refusal {
  const plan = planAuth(spec);
  if (isRefusal(plan)) return plan;
  const mac = makeMac(lib, plan.auth, plan.key);
  plan.key.fill(0);
  return mac === null
    ? refuseUnknown(plan.auth.name, "libcrypto does not have it")
    : new MacAuth(mac, plan, spec.esn);
}

class MacAuth implements AuthTransform {
  readonly icvLength: number;
  readonly fullLength: number;
  readonly #esn: boolean;
  #mac: PacketMac | null;

  constructor(mac: PacketMac, plan: AuthPlan, esn: boolean) {
    this.#mac = mac;
    this.#esn = esn;
    this.icvLength = plan.icvLength;
    this.fullLength = plan.auth.digestBytes;
  }

  sign(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    if (this.#mac === null || !this.#mac.compute(batch, at, length, seqHi, this.#esn)) return false;
    scratch.copyTagToSlab(batch, icv, this.icvLength);
    return true;
  }

  verify(batch: Batch, at: number, length: number, icv: number, seqHi: number): boolean {
    const u8 = batch.u8;
    for (let i = 0; i < this.icvLength; i++) {
      received[i] = u8[icv + i];
      u8[icv + i] = 0;
    }
    if (this.#mac === null || !this.#mac.compute(batch, at, length, seqHi, this.#esn)) return false;
    let difference = 0;
    for (let i = 0; i < this.icvLength; i++) difference |= received[i] ^ scratch.scratch[scratch.TAG + i];
    return difference === 0;
  }

  destroy(): void {
    this.#mac?.destroy();
    this.#mac = null;
  }
}
