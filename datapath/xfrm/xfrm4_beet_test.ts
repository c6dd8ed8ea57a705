import assert from "node:assert/strict";
import fc from "fast-check";
import { Batch, INNER_LENGTH, LENGTH, OFFSET, OUTER_HEADER, OUTER_TOS, SLAB_BYTES } from "../batch.ts";
import * as checksum from "../wire/checksum.ts";
import { extractHeader, removeBeetEncap } from "./xfrm4_beet.ts";
import { fakeBackend } from "./transform_fixture.ts";
import { anySelector, ip, packetOf, stateRecord } from "./xfrm_fixture.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, type SelectorRecord, XfrmModeNumber } from "./xfrm_record.ts";
import { XfrmState } from "./xfrm_state.ts";

const ICMP = 1, BEETPH = 94;
/** TTL, identification, DF and TOS of the outer header. */
const OUTER = { ttl: 33, id: 77, tos: 0x2b };
const ESP_BYTES = 16, TRAILER_BYTES = 18;

function state(sel: SelectorRecord): XfrmState {
  const x = XfrmState.create(stateRecord({ mode: XfrmModeNumber.beet, sel }), fakeBackend());
  assert.ok(x instanceof XfrmState);
  return x;
}

const FOUR: SelectorRecord = {
  ...anySelector(AF_INET),
  saddr: [ip("10.9.0.1"), 0, 0, 0],
  daddr: [ip("10.9.0.2"), 0, 0, 0],
};
const SIX: SelectorRecord = {
  ...anySelector(AF_INET6),
  saddr: [0x20010db8, 0, 0, 1],
  daddr: [0x20010db8, 0, 0, 2],
};

/** Outer header, ESP header and IV, payload, trailer and ICV, as decrypted; what comes of it, or null. */
function remove(sel: SelectorRecord, nextHeader: number, payload: readonly number[], udp = false) {
  const outer = udp ? 0 : 20;
  const packet = new Uint8Array(outer + ESP_BYTES + payload.length + TRAILER_BYTES).fill(0xee);
  packet.set(payload, outer + ESP_BYTES);
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  batch.append(packet.length);
  const { i32, view } = batch;
  const at = i32[OFFSET];
  batch.u8.set(packet, at);
  if (!udp) {
    view.setUint16(at + 4, OUTER.id);
    view.setUint16(at + 6, 0x4000);
    view.setUint8(at + 8, OUTER.ttl);
  }
  i32[OFFSET] += outer;
  i32[LENGTH] -= outer;
  i32[OUTER_HEADER] = outer;
  i32[OUTER_TOS] = OUTER.tos;
  extractHeader(batch, 0);
  i32[OFFSET] += ESP_BYTES;
  i32[LENGTH] = payload.length;
  const family = removeBeetEncap(batch, 0, state(sel), nextHeader);
  if (family === 0) return null;
  assert.equal(i32[INNER_LENGTH], i32[LENGTH]);
  assert.ok(
    i32[OFFSET] >= at && i32[OFFSET] + i32[LENGTH] <= at + packet.length,
    "it stays inside of itself",
  );
  return packetOf(batch, 0).toHex();
}

const PAYLOAD = [8, 0, 0xf7, 0xff, 0, 0, 0, 0, 0x68];
const hex = (bytes: readonly number[]) => Uint8Array.from(bytes).toHex();
const withChecksum = (header: string) => {
  const bytes = Uint8Array.fromHex(header);
  const view = new DataView(bytes.buffer);
  view.setUint16(10, checksum.finish(checksum.sum(view, 0, bytes.length, 0)));
  return bytes.toHex();
};

Deno.test("removeBeetEncap() makes the header of the selector's addresses and the outer header's fields", () => {
  const header = withChecksum("452b001d004d4000210100000a0900010a090002");
  assert.equal(remove(FOUR, ICMP, PAYLOAD), header + hex(PAYLOAD));
  // In UDP there is no outer header: TTL 64, and the payload moves to where trailer and ICV were.
  assert.equal(
    remove(FOUR, ICMP, PAYLOAD, true),
    withChecksum("452b001d00000000400100000a0900010a090002") + hex(PAYLOAD),
  );
  const six = `62b0000000093a21${"20010db8".padEnd(24, "0")}00000001${"20010db8".padEnd(24, "0")}00000002`;
  assert.equal(remove(SIX, 58, PAYLOAD), six + hex(PAYLOAD));
  assert.equal(remove(SIX, 58, PAYLOAD, true), null, "no room for it");
  assert.equal(remove(anySelector(AF_UNSPEC), ICMP, PAYLOAD), null);
});

Deno.test("removeBeetEncap() takes the options of a pseudo header in, and refuses one that can't be", () => {
  const option = [0x94, 4, 0, 0], nops = [1, 1, 1, 1];
  const made = (ph: readonly number[], ...rest: (readonly number[])[]) =>
    remove(FOUR, BEETPH, [...ph, ...rest.flat()]);
  assert.equal(
    made([ICMP, 0, 0, 0], option, PAYLOAD),
    withChecksum("462b0021004d4000210100000a0900010a09000294040000") + hex(PAYLOAD),
  );
  assert.equal(
    made([ICMP, 0, 4, 0], nops, PAYLOAD),
    withChecksum("452b001d004d4000210100000a0900010a090002") + hex(PAYLOAD),
  );
  assert.equal(
    made([ICMP, 1, 4, 0], nops, nops, nops, PAYLOAD),
    withChecksum("472b0025004d4000210100000a0900010a0900020101010101010101") + hex(PAYLOAD),
  );
  assert.equal(made([ICMP, 40, 4, 0], nops, PAYLOAD), null, "too long");
  assert.equal(made([ICMP, 0]), null, "cut off");
  assert.equal(made([ICMP, 2, 200, 0], nops, PAYLOAD), null, "more padding than there is");
  assert.equal(made([ICMP, 1, 3, 0], nops, PAYLOAD), null, "no multiple of four");
});

Deno.test("removeBeetEncap() keeps any payload inside of its packet", () => {
  const payload = fc.array(fc.nat(255), { minLength: 1, maxLength: 80 });
  fc.assert(fc.property(payload, fc.boolean(), fc.constantFrom(ICMP, BEETPH), (bytes, udp, nextHeader) => {
    for (const sel of [FOUR, SIX]) remove(sel, nextHeader, bytes, udp);
  }));
});
