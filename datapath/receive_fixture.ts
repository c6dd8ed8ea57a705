/** The gateway L as a receiver, and packets from its peer R, for the tests of receive(). */
import assert from "node:assert/strict";
import { Batch, SLAB_BYTES } from "./batch.ts";
import { fakeBackend, FakeTransform } from "./xfrm/transform_fixture.ts";
import { viewXfrmCells, type XfrmCells } from "./xfrm/xfrm_cells.ts";
import {
  anySelector,
  FROM_R,
  inPolicyRecord,
  inStateRecord,
  ipv4Packet,
  makeTable,
  packetOf,
  peerBatch,
  policyRecord,
  reasonOf,
  receive,
  SPI_IN,
  stateRecord,
  templateRecord,
  type TestTable,
} from "./xfrm/xfrm_fixture.ts";
import { AF_INET6, AF_UNSPEC, type XfrmPolicyRecord, type XfrmStateRecord } from "./xfrm/xfrm_record.ts";

export const EXACT = 0xffffffff;

type Gateway = TestTable & XfrmCells;

/** The gateway L with one SA from R; policies for both families unless others are given. */
export function gateway(
  change: Partial<XfrmStateRecord> = {},
  policies: Partial<XfrmPolicyRecord>[] = [{}, { family: AF_INET6 }],
  backend = fakeBackend(),
): Gateway {
  const t = makeTable(backend);
  const record = inStateRecord(change);
  t.table.addState(record);
  policies.forEach((p, i) => t.table.addPolicy(inPolicyRecord({ index: 8 * (i + 1), order: i, ...p })));
  return { ...t, ...viewXfrmCells(record.cells) };
}

/** The peer R; packet n gets sequence number n. */
export class Sender {
  readonly #t = makeTable();
  constructor(change: Partial<XfrmStateRecord> = {}) {
    const sel = anySelector(AF_UNSPEC);
    this.#t.table.addState(stateRecord({ ...FROM_R, spi: SPI_IN, sel, ...change }));
    this.#t.table.addPolicy(policyRecord({ templates: [templateRecord(FROM_R)] }));
    this.#t.table.addPolicy(
      policyRecord({ index: 17, family: AF_INET6, templates: [templateRecord(FROM_R)] }),
    );
  }
  send(inner: Uint8Array = ipv4Packet(68)): Uint8Array {
    const batch = peerBatch(inner);
    this.#t.table.transmit(batch);
    assert.equal(reasonOf(batch), "None");
    return packetOf(batch, 0);
  }
}

/** An ESP packet whose text is given byte for byte, sealed by the fake transform. */
export function sealed(
  text: Uint8Array,
  seq = 1,
  options: { spi?: number; iv?: number; icv?: number } = {},
): Uint8Array {
  const { spi = SPI_IN, iv = 8, icv = 16 } = options;
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  const inner = 20 + 8 + iv;
  const start = 10000;
  batch.u8.set(
    ipv4Packet(inner + text.length + icv, { proto: 50, src: "192.0.2.1", dst: "192.0.2.2" }),
    start,
  );
  batch.view.setUint32(start + 20, spi);
  batch.view.setUint32(start + 24, seq);
  batch.u8.set(text, start + inner);
  new FakeTransform(iv, icv, 4).seal(batch, start + 20, text.length, 0);
  return batch.u8.slice(start, start + inner + text.length + icv);
}

export const text = (payload: Uint8Array, ...trailer: number[]): Uint8Array =>
  Uint8Array.of(...payload, ...trailer);

/** What becomes of each packet, and the counters. */
export function fate(t: TestTable, ...packets: Uint8Array[]): readonly unknown[] {
  const batch = receive(t, ...packets);
  return [...packets.map((_, i) => reasonOf(batch, i)), t.mib()];
}
