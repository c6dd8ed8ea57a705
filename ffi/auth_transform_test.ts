/** The MACs of AH: every backend against published answers, against each other and against forgeries. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AuthSpec, AuthTransform } from "../datapath/ah/auth.ts";
import { OFFSET } from "../datapath/batch.ts";
import type { CryptoBackend } from "../datapath/esp/aead.ts";
import { libcryptoBackend } from "./aead_libcrypto.ts";
import { nobleBackend } from "./aead_noble.ts";
import { selectBackend } from "./crypto_backend.ts";
import { newBatch } from "./slab_pointers.ts";

const backends: readonly CryptoBackend[] = [libcryptoBackend(), nobleBackend()].filter((b) => b !== null);
const batch = newBatch();
const at = batch.i32[OFFSET + batch.append(65535 + 64)];

type Auth = [name: string, truncBits: number, keyBytes: number];
const MACS: readonly Auth[] = [
  ["hmac(md5)", 96, 16],
  ["hmac(sha1)", 96, 20],
  ["hmac(sha256)", 128, 32],
  ["hmac(sha384)", 192, 48],
  ["hmac(sha512)", 512, 64],
  ["hmac(rmd160)", 96, 20],
  ["xcbc(aes)", 96, 16],
  ["cmac(aes)", 128, 16],
  ["cmac(aes)", 96, 32],
  ["digest_null", 0, 0],
];

function make(backend: CryptoBackend, auth: AuthSpec["auth"], esn: boolean): AuthTransform {
  const made = backend.createAuth({ auth, esn });
  assert.ok(!("errno" in made), "errno" in made ? made.message : "");
  return made;
}

/** MAC of a message, its place behind it. */
function macOf(transform: AuthTransform, message: Uint8Array, seqHi: number): string {
  batch.u8.set(message, at);
  const icv = at + message.length;
  assert.ok(transform.sign(batch, at, message.length, icv, seqHi));
  return batch.u8.slice(icv, icv + transform.icvLength).toHex();
}

const KEY = Uint8Array.from({ length: 64 }, (_, i) => 7 * i + 1);
const keyed = ([name, truncBits, keyBytes]: Auth) => ({ name, truncBits, key: KEY.slice(0, keyBytes) });
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Published answers: source, algorithm, key, message, MAC. */
// deno-fmt-ignore
const VECTORS: readonly (readonly [string, string, string, Uint8Array, string])[] = [
  ["RFC 2202 §2 case 2", "hmac(md5)", "4a656665", ascii("what do ya want for nothing?"), "750c783e6ab0b503eaa86e310a5db738"],
  ["RFC 2202 §3 case 2", "hmac(sha1)", "4a656665", ascii("what do ya want for nothing?"), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"],
  ["RFC 4231 §4.3", "hmac(sha256)", "4a656665", ascii("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"],
  ["RFC 4231 §4.3", "hmac(sha384)", "4a656665", ascii("what do ya want for nothing?"), "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"],
  ["RFC 4231 §4.3", "hmac(sha512)", "4a656665", ascii("what do ya want for nothing?"), "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"],
  ["RFC 2286 §2 case 2", "hmac(rmd160)", "4a656665", ascii("what do ya want for nothing?"), "dda6c0213a485a9e24f4742064a7f033b43c4069"],
  ["RFC 4493 §4 example 2", "cmac(aes)", "2b7e151628aed2a6abf7158809cf4f3c", Uint8Array.fromHex("6bc1bee22e409f96e93d7e117393172a"), "070a16b46b4d4144f79bdd9dd04a287c"],
  ["RFC 3566 §4.6 case 4", "xcbc(aes)", "000102030405060708090a0b0c0d0e0f", Uint8Array.from({ length: 20 }, (_, i) => i), "47f51b4564966215b8985c63055ed308"],
];

for (const backend of backends) {
  Deno.test(`sign() of ${backend.name} gives the published answers`, () => {
    for (const [source, name, key, message, mac] of VECTORS) {
      const auth = { name, key: Uint8Array.fromHex(key), truncBits: mac.length * 4 };
      assert.equal(macOf(make(backend, auth, false), message, 0), mac, `${source} ${name}`);
    }
  });

  Deno.test(`verify() of ${backend.name} takes what sign() made and nothing else`, () => {
    const property = fc.property(
      fc.constantFrom(...MACS.slice(0, -1)),
      fc.boolean(),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.nat(),
      (mac, esn, message, seqHi, flip) => {
        const transform = make(backend, keyed(mac), esn);
        const icvBytes = transform.icvLength;
        const packet = new Uint8Array(12 + icvBytes + message.length);
        packet.set(message, 12 + icvBytes);
        batch.u8.set(packet, at);
        assert.ok(transform.sign(batch, at, packet.length, at + 12, seqHi));
        const signed = batch.u8.slice(at, at + packet.length);
        assert.ok(transform.verify(batch, at, packet.length, at + 12, seqHi));
        assert.ok(batch.u8.subarray(at + 12, at + 12 + icvBytes).every((byte) => byte === 0));
        signed[flip % signed.length] ^= 1 << (flip % 8);
        batch.u8.set(signed, at);
        assert.equal(transform.verify(batch, at, packet.length, at + 12, seqHi), false);
        transform.destroy();
      },
    );
    fc.assert(property, { numRuns: 80 });
  });

  Deno.test(`verify() of ${backend.name} with ESN looks at the high half`, () => {
    const transform = make(backend, keyed(MACS[2]!), true);
    batch.u8.fill(0, at, at + 60);
    assert.ok(transform.sign(batch, at, 60, at + 12, 5));
    assert.equal(transform.verify(batch, at, 60, at + 12, 4), false);
    transform.destroy();
    assert.equal(transform.sign(batch, at, 60, at + 12, 5), false);
  });
}

Deno.test("sign() of all backends agrees at every length, with and without the high half", () => {
  for (const mac of MACS) {
    for (const esn of [false, true]) {
      const made = backends.map((backend) => make(backend, keyed(mac), esn));
      for (let length = 1; length < 70; length++) {
        const message = Uint8Array.from({ length }, (_, i) => 3 * i + length);
        const macs = new Set(made.map((transform) => macOf(transform, message, 0x01020304)));
        assert.equal(macs.size, 1, `${mac[0]} ${length}${esn ? " with ESN" : ""}`);
      }
    }
  }
});

Deno.test("createAuth() says ENOSYS for what nobody knows and EINVAL for a bad key", () => {
  const backend = selectBackend("auto");
  const refused = (name: string, truncBits: number, keyBytes: number) => {
    const made = backend.createAuth({ auth: { name, truncBits, key: new Uint8Array(keyBytes) }, esn: false });
    return "errno" in made ? made.errno : "made";
  };
  assert.equal(refused("hmac(nosuch)", 96, 16), "ENOSYS");
  assert.equal(refused("hmac(sha1)", 168, 16), "EINVAL");
  assert.equal(refused("xcbc(aes)", 96, 32), "EINVAL");
  assert.equal(refused("cmac(aes)", 96, 17), "EINVAL");
  // An AEAD library leaves it to the next one.
  assert.equal(refused("sha256", 128, 32), "made");
});
