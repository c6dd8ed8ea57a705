/** Both ways with real ciphers: what transmit() seals, receive() opens, and nothing else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nobleBackend } from "../ffi/aead_noble.ts";
import { REASON } from "./batch.ts";
import { DropReason } from "./drop_reason.ts";
import { CELL_OSEQ, viewXfrmCells, WORD_SEQ } from "./xfrm/xfrm_cells.ts";
import {
  anySelector,
  FROM_R,
  inBatch,
  inPolicyRecord,
  inStateRecord,
  ipv4Packet,
  ipv6Packet,
  L,
  makeTable,
  packetOf,
  peerBatch,
  policyRecord,
  R,
  SPI_IN,
  stateRecord,
  templateRecord,
  type TestTable,
} from "./xfrm/xfrm_fixture.ts";
import { AF_INET6, AF_UNSPEC, type XfrmStateRecord } from "./xfrm/xfrm_record.ts";

const key = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => 3 * i + 1);
const hmac = (truncBits: number) => ({ auth: { name: "hmac(sha256)", key: key(32), truncBits } });

const ALGORITHMS: Readonly<Record<string, () => Omit<XfrmStateRecord["transform"], "esn">>> = {
  gcm: () => ({ aead: { name: "rfc4106(gcm(aes))", key: key(20), icvBits: 128 } }),
  "gcm 96": () => ({ aead: { name: "rfc4106(gcm(aes))", key: key(36), icvBits: 96 } }),
  chacha: () => ({ aead: { name: "rfc7539esp(chacha20,poly1305)", key: key(36), icvBits: 128 } }),
  cbc: () => ({ enc: { name: "cbc(aes)", key: key(16) }, ...hmac(128) }),
  ctr: () => ({ enc: { name: "rfc3686(ctr(aes))", key: key(20) }, ...hmac(96) }),
  null: () => ({ enc: { name: "ecb(cipher_null)", key: key(0) }, ...hmac(128) }),
};

/** Sender R and receiver L with one SA between them, both families. */
function pair(algorithm: string, esn: boolean): { readonly r: TestTable; readonly l: TestTable } {
  const replay = esn ? { replayKind: "esn", replayWindow: 64 } as const : {};
  const sel = anySelector(AF_UNSPEC);
  const transform = () => ({ esn, ...ALGORITHMS[algorithm]() });
  const sending = stateRecord({
    saddr: [R, 0, 0, 0],
    daddr: [L, 0, 0, 0],
    spi: SPI_IN,
    sel,
    transform: transform(),
    ...replay,
  });
  const receiving = inStateRecord({ sel, transform: transform(), ...replay });
  if (esn) {
    viewXfrmCells(sending.cells).f64[CELL_OSEQ] = 0x1_0000_0000 - 2;
    viewXfrmCells(receiving.cells).i32[WORD_SEQ] = 0xffffff00;
  }
  const r = makeTable(nobleBackend());
  const l = makeTable(nobleBackend());
  assert.equal(r.table.addState(sending), null);
  assert.equal(l.table.addState(receiving), null);
  for (const family of [2, AF_INET6] as const) {
    r.table.addPolicy(policyRecord({ index: family * 8 + 1, family, templates: [templateRecord(FROM_R)] }));
    l.table.addPolicy(inPolicyRecord({ index: family * 8, family }));
  }
  return { r, l };
}

function seal(t: TestTable, ...packets: Uint8Array[]): Uint8Array[] {
  const batch = peerBatch(...packets);
  t.table.transmit(batch);
  packets.forEach((_, i) => assert.equal(batch.i32[REASON + i], 0));
  return packets.map((_, i) => packetOf(batch, i));
}

for (const algorithm of Object.keys(ALGORITHMS)) {
  for (const esn of [false, true]) {
    Deno.test(`receive() opens what transmit() seals: ${algorithm}${esn ? " with ESN" : ""}`, () => {
      const lengths = fc.array(fc.integer({ min: 40, max: 1400 }), { minLength: 1, maxLength: 4 });
      const { r, l } = pair(algorithm, esn);
      fc.assert(
        fc.property(lengths, fc.boolean(), (list, six) => {
          const packets = list.map((length) => six ? ipv6Packet(length) : ipv4Packet(length));
          const batch = inBatch(...seal(r, ...packets));
          l.table.receive(batch);
          packets.forEach((packet, i) => {
            assert.equal(batch.i32[REASON + i], 0);
            assert.deepEqual(packetOf(batch, i), packet);
          });
        }),
        { numRuns: 10 },
      );
    });

    Deno.test(`receive() opens nothing with one bit flipped: ${algorithm}${esn ? " with ESN" : ""}`, () => {
      const { r, l } = pair(algorithm, esn);
      const [outer] = seal(r, ipv4Packet(84));
      // Every byte behind the SPI; a flip in the sequence number may look like an old one instead.
      for (let at = 24; at < outer.length; at++) {
        const bad = outer.slice();
        bad[at] ^= 1 << (at & 7);
        const batch = inBatch(bad);
        l.table.receive(batch);
        const reason = batch.i32[REASON];
        assert.ok(
          reason === DropReason.InStateProtoError || (at < 28 && reason === DropReason.InStateSeqError),
        );
      }
      const batch = inBatch(outer);
      l.table.receive(batch);
      assert.equal(batch.i32[REASON], 0);
    });
  }
}
