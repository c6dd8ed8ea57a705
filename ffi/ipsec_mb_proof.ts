/**
 * Known answers that libIPSec_MB has to give before a packet is entrusted to it.
 *
 * Key, nonce and AAD (12 bytes each) count up from 0, text byte i is 7 i. The long text reaches the loops over many
 * blocks. The tags were made with python3-cryptography 38 (OpenSSL).
 */
import * as scratch from "./esp_scratch.ts";
import {
  type AlignedMemory,
  alignedMemory,
  expandGcmKey,
  gcmContext,
  type GcmFunctions,
} from "./ipsec_mb.ts";
import type { CbcHmacJobs } from "./cbc_hmac_ipsec_mb.ts";
import type { ChachaJobs } from "./chacha_ipsec_mb.ts";
import { addressHalves } from "./ipsec_mb_jobs.ts";

const GCM_TAGS: readonly (readonly [keyBytes: number, textBytes: number, tag: string])[] = [
  [16, 60, "0a426c1c1ae3b1177b0caf8239442775"],
  [16, 1400, "a643e8b3f913376673912e9d340bcd15"],
  [24, 60, "21049601c55c372ed78455ff6ef3df40"],
  [24, 1400, "9eccc1b8ba45769c60b28325090beccc"],
  [32, 60, "f63b9c0b0e9e978701700357cace8f51"],
  [32, 1400, "216b11a73466966a74c2f510cd200b06"],
];

/** Encrypts and decrypts with every key length. */
export function gcmGivesKnownAnswers(gcm: GcmFunctions): boolean {
  const counting = filled(32, 1);
  const tag = alignedMemory(16);
  return GCM_TAGS.every(([keyBytes, textBytes, expected]) => {
    const key = expandGcmKey(gcm, counting.u8.subarray(0, keyBytes));
    const [encrypt, decrypt] = keyBytes === 16
      ? [gcm.enc128, gcm.dec128]
      : keyBytes === 24
      ? [gcm.enc192, gcm.dec192]
      : [gcm.enc256, gcm.dec256];
    const text = filled(textBytes, 7);
    return [encrypt, decrypt].every((call) => {
      tag.u8.fill(0);
      call(
        key.pointer,
        gcmContext.pointer,
        text.pointer,
        text.pointer,
        BigInt(textBytes),
        counting.pointer,
        counting.pointer,
        12n,
        tag.pointer,
        16n,
      );
      return tag.u8.toHex() === expected;
    }) && text.u8.every((byte, i) => byte === ((7 * i) & 0xff));
  });
}

const CHACHA_TAGS: readonly (readonly [textBytes: number, tag: string])[] = [
  [60, "8974a9ead7a67cd03027009510af2964"],
  [1400, "52267d41933d3b5ecb3d29048211415d"],
];

/** Encrypts and decrypts, with nonce, AAD and tag where the transforms have them. */
export function chachaGivesKnownAnswers(jobs: ChachaJobs): boolean {
  const key = filled(32, 1);
  const [keyLo, keyHi] = addressHalves(key.pointer);
  scratch.scratch.set(key.u8.subarray(0, 12), scratch.NONCE);
  scratch.scratch.set(key.u8.subarray(0, 12), scratch.AAD);
  return CHACHA_TAGS.every(([textBytes, expected]) => {
    const text = filled(textBytes, 7);
    const [lo, hi] = addressHalves(text.pointer);
    return [true, false].every((encrypt) =>
      jobs.run(lo, hi, 0, textBytes, keyLo, keyHi, 12, encrypt) &&
      scratch.scratch.subarray(scratch.TAG, scratch.TAG + 16).toHex() === expected
    ) && text.u8.every((byte, i) => byte === ((7 * i) & 0xff));
  });
}

/** Header, IV slot and text count as one text; SEQ_HI stands behind it. */
const CBC_HMAC_TAGS: readonly (readonly [keyBytes: number, textBytes: number, seqHi: 0 | 4, tag: string])[] =
  [
    [16, 64, 0, "b5486e25b6d6f65428b918477b23ebbb"],
    [16, 1408, 4, "e7251a5d9fe31810d96c657aff073464"],
    [24, 64, 4, "7c00d18364bfac558709ef67be5e65c1"],
    [24, 1408, 0, "9ff0d524de047ded401daa9bdfd0e27c"],
    [32, 64, 0, "77716f22a114318a85ae57eeec8fe727"],
    [32, 1408, 4, "621240db6777a947d5a998c72d355798"],
  ];
const SEQ_HI = 5;
/** More than the lanes of any instruction set. */
const PACKETS = 17;

/** Encrypts PACKETS packets of all key lengths together. */
export function cbcHmacGivesKnownAnswers(jobs: CbcHmacJobs): boolean {
  const counting = filled(32, 1);
  const submitted = Array.from({ length: PACKETS }, (_, i) => {
    const [keyBytes, textBytes, seqHi, expected] = CBC_HMAC_TAGS[i % CBC_HMAC_TAGS.length];
    const key = jobs.expandKey(counting.u8.subarray(0, keyBytes), counting.u8);
    const tag = 8 + 16 + textBytes;
    const packet = filled(tag + 16, 7);
    new DataView(packet.u8.buffer, packet.u8.byteOffset).setInt32(tag, SEQ_HI);
    const [lo, hi] = addressHalves(packet.pointer);
    return { job: jobs.submit(lo, hi, 0, textBytes, key, seqHi), key, packet, tag, expected };
  });
  jobs.flush();
  return submitted.every(({ job, packet, tag, expected }) =>
    jobs.done(job) && packet.u8.subarray(tag).toHex() === expected
  );
}

/** Memory whose byte i is `factor` * i. */
function filled(bytes: number, factor: number): AlignedMemory {
  const memory = alignedMemory(bytes);
  memory.u8.forEach((_, i) => memory.u8[i] = factor * i);
  return memory;
}
