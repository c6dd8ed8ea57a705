/**
 * Cost of sealing and opening one ESP packet, for each algorithm and crypto library: `deno bench -A bench/esp_transform_bench.ts`.
 *
 * Before anything is timed, each pair of transforms has to restore a text and refuse a forged one.
 */
import assert from "node:assert/strict";
import { OFFSET } from "../datapath/batch.ts";
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import { ipsecMbBackend } from "../ffi/aead_ipsec_mb.ts";
import { libcryptoBackend } from "../ffi/aead_libcrypto.ts";
import { nobleBackend } from "../ffi/aead_noble.ts";
import { newBatch } from "../ffi/slab_pointers.ts";

/** Bytes of text: a TCP acknowledgement and a full segment, padded to a block. */
const TEXTS = [64, 1408];
const LIBRARIES = [ipsecMbBackend(), libcryptoBackend(), nobleBackend()].filter((library) =>
  library !== null
);

const key = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => i);
const aead = (name: string, keyBytes: number) => ({ aead: { name, key: key(keyBytes), icvBits: 128 } });
const cbc = (keyBytes: number, auth: string, authBytes: number, truncBits: number) => ({
  enc: { name: "cbc(aes)", key: key(keyBytes) },
  auth: { name: auth, key: key(authBytes), truncBits },
});
const ALGORITHMS: Record<string, Omit<EspTransformSpec, "direction" | "esn">> = {
  "AES-128-GCM": aead("rfc4106(gcm(aes))", 20),
  "AES-256-GCM": aead("rfc4106(gcm(aes))", 36),
  "ChaCha20-Poly1305": aead("rfc7539esp(chacha20,poly1305)", 36),
  "AES-128-CCM": aead("rfc4309(ccm(aes))", 19),
  "AES-128-GMAC": aead("rfc4543(gcm(aes))", 20),
  "AES-128-CBC HMAC-SHA256-128": cbc(16, "hmac(sha256)", 32, 128),
  "AES-256-CBC HMAC-SHA512-256": cbc(32, "hmac(sha512)", 64, 256),
  "AES-128-CBC HMAC-SHA1-96": cbc(16, "hmac(sha1)", 20, 96),
  "AES-128-CBC AES-XCBC-96": cbc(16, "xcbc(aes)", 16, 96),
};

const batch = newBatch();
const esp = batch.i32[OFFSET + batch.append(2000)];

/** A transform, or null when the library lacks it. */
function make(library: CryptoBackend, algorithm: string, direction: "in" | "out"): EspTransform | null {
  const made = library.create({ ...ALGORITHMS[algorithm], esn: true, direction });
  return "errno" in made ? null : made;
}

/** Proves that the pair works and refuses a forgery, and returns a sealed packet. */
function prove(out: EspTransform, into: EspTransform, length: number): Uint8Array {
  const at = esp + 8 + out.ivLength;
  batch.u8.fill(0xa5, at, at + length);
  assert.ok(out.seal(batch, esp, length, 1));
  const packet = batch.u8.slice(esp, at + length + out.icvLength);
  batch.u8[at + length] ^= 1;
  assert.ok(!into.open(batch, esp, length, 1));
  batch.u8.set(packet, esp);
  assert.ok(into.open(batch, esp, length, 1));
  assert.ok(batch.u8.subarray(at, at + length).every((byte) => byte === 0xa5));
  return packet;
}

for (const algorithm of Object.keys(ALGORITHMS)) {
  for (const library of LIBRARIES) {
    const out = make(library, algorithm, "out"), into = make(library, algorithm, "in");
    if (out === null || into === null) continue;
    for (const length of TEXTS) {
      const packet = prove(out, into, length);
      const group = `${algorithm}, ${length} B`;
      Deno.bench(`seal ${algorithm} ${length} B, ${library.name}`, { group }, () => {
        out.seal(batch, esp, length, 1);
      });
      // A packet opens once, so its copy into the slab is part of what is timed (some 60 ns for 1408 bytes).
      Deno.bench(`open ${algorithm} ${length} B, ${library.name}`, { group }, () => {
        batch.u8.set(packet, esp);
        into.open(batch, esp, length, 1);
      });
    }
  }
}

/** Packets of one batch that a library seals together. */
const TOGETHER = [4, 16, 64];
const many = newBatch();
const places = Array.from({ length: 64 }, () => many.i32[OFFSET + many.append(1600)]);

for (const library of LIBRARIES) {
  const { seals } = library;
  const out = make(library, "AES-128-CBC HMAC-SHA256-128", "out");
  if (seals === undefined || out === null) continue;
  for (const count of TOGETHER) {
    Deno.bench(`seal AES-128-CBC HMAC-SHA256-128 1408 B, ${library.name}, ${count} together (all)`, () => {
      seals.begin();
      for (let i = 0; i < count; i++) out.seal(many, places[i], 1408, 1);
      seals.end();
    });
  }
}
