/**
 * The transforms of every backend against published packets, against each other and against forgeries.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { allocatedPerPacket } from "../datapath/allocation_fixture.ts";
import { OFFSET } from "../datapath/batch.ts";
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import { ESP_VECTORS, type EspVector } from "../tests/vectors/esp_packets.ts";
import { ipsecMbBackend } from "./aead_ipsec_mb.ts";
import { libcryptoBackend } from "./aead_libcrypto.ts";
import { nobleBackend } from "./aead_noble.ts";
import { newBatch } from "./slab_pointers.ts";

const backends: readonly CryptoBackend[] = [ipsecMbBackend(), libcryptoBackend(), nobleBackend()].filter((
  b,
) => b !== null);
const named = (name: CryptoBackend["name"]) => backends.find((b) => b.name === name);

/** What a backend must have, whatever else it has. */
const REQUIRED: Record<CryptoBackend["name"], RegExp> = {
  "ipsec-mb": /^(rfc4106|rfc7539esp)/,
  "libcrypto": /./,
  "noble": /^(rfc4106|rfc4543|rfc7539esp|cbc\(aes\)|rfc3686|ecb\(cipher_null\))/,
};

const batch = newBatch();
/** Room for the longest IPv4 packet. */
const esp = batch.i32[OFFSET + batch.append(8 + 16 + 65535 + 32)];

type Spec = Omit<EspTransformSpec, "direction">;

function specOf(vector: EspVector): Spec {
  const { aead, enc, auth, esn } = vector;
  return {
    ...(aead && { aead: { ...aead, key: Uint8Array.fromHex(aead.key) } }),
    ...(enc && { enc: { ...enc, key: Uint8Array.fromHex(enc.key) } }),
    ...(auth && { auth: { ...auth, key: Uint8Array.fromHex(auth.key) } }),
    esn,
  };
}

function nameOf(spec: Spec): string {
  return spec.aead?.name ?? spec.enc!.name;
}

/** The transform, or null when the backend may lack it and does. */
function make(backend: CryptoBackend, spec: Spec, direction: "in" | "out"): EspTransform | null {
  const made = backend.create({ ...spec, direction });
  if (!("errno" in made)) return made;
  assert.ok(!REQUIRED[backend.name].test(nameOf(spec)), `${backend.name}: ${made.message}`);
  assert.equal(made.errno, "ENOSYS");
  return null;
}

/** Writes SPI, sequence number and text, seals, and returns the packet. */
function sealed(out: EspTransform, text: Uint8Array, seqHi: number, seqLo = 0x01020304): Uint8Array {
  batch.view.setUint32(esp, 0x1001);
  batch.view.setUint32(esp + 4, seqLo);
  batch.u8.set(text, esp + 8 + out.ivLength);
  assert.ok(out.seal(batch, esp, text.length, seqHi));
  return batch.u8.slice(esp, esp + 8 + out.ivLength + text.length + out.icvLength);
}

/** Opens `packet`; the text, or null when it is refused. */
function opened(into: EspTransform, packet: Uint8Array, seqHi: number): Uint8Array | null {
  batch.u8.set(packet, esp);
  const length = packet.length - 8 - into.ivLength - into.icvLength;
  const text = esp + 8 + into.ivLength;
  return into.open(batch, esp, length, seqHi) ? batch.u8.slice(text, text + length) : null;
}

for (const backend of backends) {
  Deno.test(`open() of ${backend.name} opens the published packets`, () => {
    let count = 0;
    for (const vector of ESP_VECTORS) {
      const transform = make(backend, specOf(vector), "in");
      if (transform === null) continue;
      const text = opened(transform, Uint8Array.fromHex(vector.packet), vector.seqHi);
      assert.equal(text?.toHex(), vector.text, `${vector.name}, ${vector.source}`);
      transform.destroy();
      count++;
    }
    assert.ok(count >= 14, `only ${count} vectors apply`);
  });

  Deno.test(`seal() of ${backend.name} makes the bytes of every other backend`, () => {
    for (const spec of ALL_SPECS) {
      const packets = new Set<string>();
      for (const other of [backend, ...backends]) {
        const out = make(other, spec, "out");
        if (out !== null) packets.add(sealed(out, new Uint8Array(64).fill(7), spec.esn ? 5 : 0).toHex());
        out?.destroy();
      }
      assert.ok(packets.size <= 1, nameOf(spec));
    }
  });

  Deno.test(`open() of ${backend.name} restores what any backend sealed`, () => {
    const property = fc.property(
      fc.constantFrom(...ALL_SPECS),
      fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 1500 }) }, {
        weight: 1,
        arbitrary: fc.integer({ min: 1500, max: 65535 }),
      }),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.integer({ min: 0, max: 0xffffffff }),
      (spec, length, hi, seqLo) => {
        const seqHi = spec.esn ? hi : 0;
        const into = make(backend, spec, "in");
        if (into === null) return;
        const text = Uint8Array.from({ length: length - length % into.blockSize }, (_, i) => i * seqLo >>> 8);
        for (const other of backends) {
          const out = make(other, spec, "out");
          if (out === null) continue;
          const packet = sealed(out, text, seqHi, seqLo);
          assert.equal(opened(into, packet, seqHi)?.toHex(), text.toHex(), `${other.name} ${nameOf(spec)}`);
          out.destroy();
        }
        into.destroy();
      },
    );
    fc.assert(property, { numRuns: backend.name === "noble" ? 60 : 300 });
  });

  Deno.test(`open() of ${backend.name} refuses a packet with any byte changed, and the next one passes`, () => {
    for (const spec of ALL_SPECS) {
      if (spec.auth === undefined && spec.aead === undefined) continue;
      const out = make(backend, spec, "out"), into = make(backend, spec, "in");
      if (out === null || into === null) continue;
      const text = new Uint8Array(48).fill(9);
      const seqHi = spec.esn ? 3 : 0;
      const packet = sealed(out, text, seqHi);
      for (let i = 0; i < packet.length; i++) {
        packet[i] ^= 1 << (i & 7);
        assert.equal(opened(into, packet, seqHi), null, `${nameOf(spec)}: byte ${i} of ${packet.length}`);
        packet[i] ^= 1 << (i & 7);
      }
      if (spec.esn) assert.equal(opened(into, packet, seqHi + 1), null, `${nameOf(spec)}: high half`);
      assert.equal(opened(into, packet, seqHi)?.toHex(), text.toHex());
      out.destroy();
      into.destroy();
    }
  });

  Deno.test(`seal() of ${backend.name} sends the sequence number XOR a secret of the key as IV of a counter mode`, () => {
    const spec = ALL_SPECS.find((s) => s.aead !== undefined && s.esn)!;
    const ivs = [[0, 0], [0, 0], [0x00000001, 0x80000000]].map(([seqHi, seqLo]) => {
      // A transform of its own each time: the IV must not depend on when or where it was made.
      const out = make(backend, spec, "out")!;
      const packet = sealed(out, new Uint8Array(4), seqHi!, seqLo!);
      out.destroy();
      return new DataView(packet.buffer, packet.byteOffset).getBigUint64(8);
    });
    assert.equal(ivs[0], ivs[1]);
    assert.equal(ivs[0]! ^ ivs[2]!, 0x00000001_80000000n);
    assert.notEqual(ivs[0], 0n);
  });

  Deno.test(`seal() and open() of ${backend.name} answer false after destroy()`, () => {
    for (const spec of ALL_SPECS) {
      const out = make(backend, spec, "out"), into = make(backend, spec, "in");
      out?.destroy();
      into?.destroy();
      into?.destroy();
      assert.ok(!out?.seal(batch, esp, 16, 0));
      assert.ok(!into?.open(batch, esp, 16, 0));
    }
  });

  Deno.test(`seal() and open() of ${backend.name} refuse a length that cannot be`, () => {
    for (const spec of ALL_SPECS) {
      const out = make(backend, spec, "out"), into = make(backend, spec, "in");
      if (out === null || into === null) continue;
      for (const length of out.blockSize === 4 ? [-1, -64] : [-1, -64, 17]) {
        assert.ok(!out.seal(batch, esp, length, 0));
        assert.ok(!into.open(batch, esp, length, 0));
      }
      const text = new Uint8Array(64).fill(1);
      assert.equal(opened(into, sealed(out, text, 0), 0)?.toHex(), text.toHex());
      out.destroy();
      into.destroy();
    }
  });

  Deno.test(`create() of ${backend.name} says ENOSYS for what nobody knows and EINVAL for a bad key`, () => {
    const key = (bytes: number) => new Uint8Array(bytes).fill(0xab);
    const hmac = { name: "hmac(sha256)", key: key(32), truncBits: 128 };
    const cases: readonly [Spec, "ENOSYS" | "EINVAL"][] = [
      [{ aead: { name: "nosuch(aes)", key: key(20), icvBits: 128 }, esn: false }, "ENOSYS"],
      [{ aead: { name: "rfc4106(gcm(aes))", key: key(20), icvBits: 100 }, esn: false }, "ENOSYS"],
      [{ aead: { name: "rfc4106(gcm(aes))", key: key(20), icvBits: 32 }, esn: false }, "ENOSYS"],
      [{ aead: { name: "rfc4106(gcm(aes))", key: key(4), icvBits: 128 }, esn: false }, "EINVAL"],
      [{ aead: { name: "rfc4106(gcm(aes))", key: key(21), icvBits: 128 }, esn: false }, "EINVAL"],
      [{ aead: { name: "rfc4106(gcm(aes))", key: key(0), icvBits: 128 }, esn: false }, "EINVAL"],
      [{ aead: { name: "rfc7539esp(chacha20,poly1305)", key: key(32), icvBits: 128 }, esn: false }, "EINVAL"],
      [{ enc: { name: "nosuch", key: key(16) }, auth: hmac, esn: false }, "ENOSYS"],
      [{ enc: { name: "cbc(aes)", key: key(16) }, auth: { ...hmac, name: "nosuch" }, esn: false }, "ENOSYS"],
      [{ enc: { name: "cbc(aes)", key: key(2) }, auth: hmac, esn: false }, "EINVAL"],
      [{ enc: { name: "cbc(aes)", key: key(2) }, esn: false }, "EINVAL"],
      [{ enc: { name: "cbc(aes)", key: key(16) }, auth: { ...hmac, truncBits: 264 }, esn: false }, "EINVAL"],
      [{ enc: { name: "cipher_null", key: key(16) }, auth: hmac, esn: false }, "EINVAL"],
      [{ auth: hmac, esn: false }, "EINVAL"],
    ];
    for (const [spec, errno] of cases) {
      const made = backend.create({ ...spec, direction: "in" });
      assert.ok("errno" in made, JSON.stringify(spec));
      assert.equal(made.errno, errno, made.message);
      assert.match(made.message, /^Create transform ".*": [^.]*$/);
      assert.ok(!made.message.includes("abab"), "the key is in the message");
    }
  });

  Deno.test(`create() of ${backend.name} copies the keys and takes the kernel's aliases`, () => {
    if (backend.name === "ipsec-mb") return assert.ok(make(backend, ALL_SPECS[0], "in"));
    const key = new Uint8Array(16).fill(1), authKey = new Uint8Array(20).fill(2);
    const aliased = {
      enc: { name: "aes", key },
      auth: { name: "sha1", key: authKey, truncBits: 96 },
      esn: false,
    };
    const canonical = {
      enc: { name: "cbc(aes)", key: key.slice() },
      auth: { name: "hmac(sha1)", key: authKey.slice(), truncBits: 96 },
      esn: false,
    };
    const out = make(backend, aliased, "out")!;
    key.fill(0);
    authKey.fill(0);
    const text = new Uint8Array(32).fill(3);
    assert.equal(opened(make(backend, canonical, "in")!, sealed(out, text, 0), 0)?.toHex(), text.toHex());
  });
}

Deno.test("seal() gives CBC packets IVs that neither repeat nor tell the sequence number", () => {
  for (const backend of backends.filter((b) => b.name !== "ipsec-mb")) {
    const out = make(backend, { enc: { name: "cbc(aes)", key: new Uint8Array(16) }, esn: false }, "out")!;
    const ivs = new Set<string>();
    for (let seq = 1; seq <= 500; seq++) {
      ivs.add(sealed(out, new Uint8Array(16), 0, seq).subarray(8, 24).toHex());
    }
    assert.equal(ivs.size, 500);
    // Under a counter the upper halves would hardly differ.
    assert.equal(new Set([...ivs].map((iv) => iv.slice(0, 16))).size, 500);
    out.destroy();
  }
});

Deno.test("seal() of CBC keeps unauthenticated packets right one after the other", () => {
  const backend = named("libcrypto");
  assert.ok(backend, "libcrypto.so.3 is missing");
  const spec = { enc: { name: "cbc(aes)", key: new Uint8Array(32).fill(4) }, esn: false };
  const out = make(backend, spec, "out")!, into = make(backend, spec, "in")!;
  for (let seq = 1; seq < 20; seq++) {
    const text = crypto.getRandomValues(new Uint8Array(16 * seq));
    assert.equal(opened(into, sealed(out, text, 0, seq), 0)?.toHex(), text.toHex());
  }
});

for (const name of ["ipsec-mb", "libcrypto"] as const) {
  Deno.test({
    name: `seal() and open() of ${name} allocate nothing for a packet`,
    ignore: named(name) === undefined,
    fn() {
      for (const spec of ALL_SPECS.filter((s) => s.esn)) {
        const out = make(named(name)!, spec, "out"), into = make(named(name)!, spec, "in");
        if (out === null || into === null) continue;
        const bytes = allocatedPerPacket(4000, () => {
          for (let i = 0; i < 4000; i++) {
            if (!out.seal(batch, esp, 64, 1) || !into.open(batch, esp, 64, 1)) {
              assert.fail("a packet was refused");
            }
          }
        });
        assert.ok(bytes < 1, `${nameOf(spec)} ${spec.auth?.name}: ${bytes} bytes a packet`);
        out.destroy();
        into.destroy();
      }
    },
  });
}

/** One spec for each algorithm, key length and ICV, without and with ESN; keys are fixed so that a failure repeats. */
const ALL_SPECS: readonly Spec[] = [false, true].flatMap((esn) => {
  const key = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => i * 7 + bytes);
  const aead = (name: string, keyBytes: number[], icvBits: number[]): Spec[] =>
    keyBytes.flatMap((bytes) =>
      icvBits.map((bits) => ({ aead: { name, key: key(bytes), icvBits: bits }, esn }))
    );
  const enc = (name: string, keyBytes: number, auth: string, authBytes: number, truncBits: number): Spec => ({
    enc: { name, key: key(keyBytes) },
    auth: { name: auth, key: key(authBytes), truncBits },
    esn,
  });
  return [
    ...aead("rfc4106(gcm(aes))", [20, 28, 36], [64, 96, 128]),
    ...aead("rfc4309(ccm(aes))", [19, 27, 35], [64, 96, 128]),
    ...aead("rfc4543(gcm(aes))", [20, 28, 36], [128]),
    ...aead("rfc7539esp(chacha20,poly1305)", [36], [128]),
    ...[16, 24, 32].flatMap((bytes) => [
      enc("cbc(aes)", bytes, "hmac(sha256)", 32, 128),
      enc("rfc3686(ctr(aes))", bytes + 4, "hmac(sha1)", 20, 96),
      enc("cbc(camellia)", bytes, "hmac(sha256)", 32, 96),
    ]),
    enc("cbc(des3_ede)", 24, "hmac(md5)", 16, 96),
    enc("cbc(des)", 8, "hmac(sha1)", 20, 96),
    enc("cbc(cast5)", 5, "hmac(sha1)", 20, 96),
    enc("cbc(cast5)", 16, "hmac(sha1)", 20, 96),
    enc("cbc(blowfish)", 4, "hmac(sha1)", 20, 96),
    enc("cbc(blowfish)", 56, "hmac(sha1)", 20, 96),
    enc("cbc(aes)", 16, "hmac(sha384)", 48, 192),
    enc("cbc(aes)", 16, "hmac(sha512)", 64, 256),
    enc("cbc(aes)", 16, "hmac(rmd160)", 20, 96),
    enc("cbc(aes)", 16, "cmac(aes)", 16, 96),
    enc("cbc(aes)", 16, "xcbc(aes)", 16, 96),
    enc("cbc(aes)", 16, "hmac(sha256)", 32, 90),
    enc("ecb(cipher_null)", 0, "hmac(sha256)", 32, 128),
    { enc: { name: "cbc(aes)", key: key(16) }, esn },
  ];
});
