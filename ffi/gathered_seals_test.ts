/** Seals done together against the same seals one by one, by another library. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ADDRESS_HI, ADDRESS_LO, type Batch, BATCH_PACKETS, OFFSET, REASON } from "../datapath/batch.ts";
import type { CryptoBackend, EspTransform, EspTransformSpec } from "../datapath/esp/aead.ts";
import {
  ipv4Packet,
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  stateRecord,
  templateRecord,
} from "../datapath/xfrm/xfrm_fixture.ts";
import { IPPROTO_AH, XfrmModeNumber } from "../datapath/xfrm/xfrm_record.ts";
import { ipsecMbBackend } from "./aead_ipsec_mb.ts";
import { libcryptoBackend } from "./aead_libcrypto.ts";
import { newBatch } from "./slab_pointers.ts";

const key = (bytes: number, first: number) => Uint8Array.from({ length: bytes }, (_, i) => first + i);
const cbc = (keyBytes: number, esn: boolean): Omit<EspTransformSpec, "direction"> => ({
  enc: { name: "cbc(aes)", key: key(keyBytes, 1) },
  auth: { name: "hmac(sha256)", key: key(32, 77), truncBits: 128 },
  esn,
});
const SPECS = [
  cbc(16, false),
  cbc(24, true),
  cbc(32, false),
  cbc(16, true),
  { aead: { name: "rfc4106(gcm(aes))", key: key(20, 3), icvBits: 128 }, esn: true },
];
const ROOM = 8 + 16 + 16;
/** Where libIPSec_MB is. */
const OF = { ignore: Deno.build.arch !== "x86_64" };

function made(backend: CryptoBackend): EspTransform[] {
  return SPECS.map((spec) => {
    const transform = backend.create({ ...spec, direction: "out" });
    return "errno" in transform ? assert.fail(transform.message) : transform;
  });
}

interface Packet {
  readonly spec: number;
  readonly blocks: number;
  readonly seq: number;
}

/** Seals each packet of a batch and then calls `end`; returns the packets. */
function sealed(transforms: EspTransform[], packets: readonly Packet[], end: () => void): string[] {
  const batch = newBatch();
  const at = packets.map(({ spec, blocks, seq }, i) => {
    const length = blocks * 16;
    const esp = batch.i32[OFFSET + batch.append(length + ROOM)];
    batch.view.setUint32(esp, 0x1001 + spec);
    batch.view.setUint32(esp + 4, seq + i);
    batch.u8.fill(i + 1, esp + 8, esp + ROOM + length);
    assert.ok(transforms[spec].seal(batch, esp, length, spec));
    return esp;
  });
  end();
  return packets.map(({ blocks }, i) => batch.u8.slice(at[i], at[i] + ROOM + blocks * 16).toHex());
}

Deno.test({
  name: "end() leaves the bytes that seals one by one make",
  ...OF,
  fn() {
    const together = ipsecMbBackend(), alone = libcryptoBackend();
    assert.ok(together?.seals && alone);
    const seals = together.seals;
    const [many, one] = [made(together), made(alone)];
    const packet = fc.record({
      spec: fc.nat(SPECS.length - 1),
      blocks: fc.integer({ min: 1, max: 93 }),
      seq: fc.nat(0xffff_0000),
    });
    const property = fc.property(fc.array(packet, { minLength: 1, maxLength: BATCH_PACKETS }), (packets) => {
      const expected = sealed(one, packets, () => {});
      seals.begin();
      assert.deepEqual(sealed(many, packets, () => seals.end()), expected);
    });
    fc.assert(property, { numRuns: 200 });
  },
});

Deno.test({
  name: "seal() encrypts at once outside of begin() and end()",
  ...OF,
  fn() {
    const together = ipsecMbBackend()!, alone = libcryptoBackend()!;
    const packets = Array.from({ length: 20 }, (_, seq) => ({ spec: 3, blocks: 2, seq }));
    assert.deepEqual(sealed(made(together), packets, () => {}), sealed(made(alone), packets, () => {}));
  },
});

Deno.test({
  name: "transmit() of a bundle has each SA work on what the one before made",
  ...OF,
  fn() {
    const [together, alone] = [ipsecMbBackend()!, libcryptoBackend()!].map((backend) => {
      const next = libcryptoBackend()!;
      // AH is libcrypto's in both.
      const { table } = makeTable({ ...backend, createAuth: (spec) => next.createAuth(spec) });
      const { enc, auth } = SPECS[0];
      table.addState(
        stateRecord({ number: 1, spi: 1, reqid: 1, transform: { enc, auth, esn: false } as never }),
      );
      const ah = { number: 2, spi: 2, reqid: 2, proto: IPPROTO_AH, mode: XfrmModeNumber.transport };
      table.addState(stateRecord({ ...ah, transform: { auth: auth!, esn: false } as never }));
      const templates = [
        templateRecord({ reqid: 1 }),
        templateRecord({ reqid: 2, proto: IPPROTO_AH, mode: XfrmModeNumber.transport }),
      ];
      table.addPolicy(policyRecord({ templates }));
      const batch = addressable(outBatch(...Array.from({ length: 20 }, (_, i) => ipv4Packet(100 + i))));
      table.transmit(batch);
      return Array.from({ length: 20 }, (_, i) => {
        assert.equal(batch.i32[REASON + i], 0);
        return packetOf(batch, i).subarray(20).toHex();
      });
    });
    assert.deepEqual(together, alone);
  },
});

/** The same packets in a slab that native code can address. */
function addressable(batch: Batch): Batch {
  const copy = newBatch();
  const [lo, hi] = [copy.i32[ADDRESS_LO], copy.i32[ADDRESS_HI]];
  copy.u8.set(batch.u8);
  copy.i32[ADDRESS_LO] = lo;
  copy.i32[ADDRESS_HI] = hi;
  return copy;
}
