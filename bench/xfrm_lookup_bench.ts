/**
 * The datapath's own cost for a packet, without crypto: lookups in large tables, and both whole ways.
 * One iteration is a batch of 64 packets; divide by 64.
 */
import { type Batch, BATCH_PACKETS, OKEY, REASON, REMOTE } from "../datapath/batch.ts";
import { decodeSession } from "../datapath/xfrm/flow.ts";
import { fakeBackend } from "../datapath/xfrm/transform_fixture.ts";
import {
  inBatch,
  inPolicyRecord,
  inStateRecord,
  ipv4Packet,
  L,
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  R,
  stateRecord,
  templateRecord,
  type TestTable,
} from "../datapath/xfrm/xfrm_fixture.ts";
import { AF_INET } from "../datapath/xfrm/xfrm_record.ts";
import { xfrmLookup } from "../datapath/xfrm/xfrm_lookup.ts";

const SIZE = 10_000;
/** The tunnel whose packets are measured. */
const MARK = 77;

/** One SA and policy each way for every one of `size` tunnels with marks 1 to size. */
function bigTable(size: number): TestTable {
  const t = makeTable(fakeBackend(8, 16, 4, false));
  for (let k = 1; k <= size; k++) {
    const mark = { value: k, mask: 0xffffffff };
    t.table.addState(stateRecord({ number: 2 * k, mark, spi: k, daddr: [R + k, 0, 0, 0] }));
    t.table.addState(
      inStateRecord({ number: 2 * k + 1, mark, spi: k, saddr: [R + k, 0, 0, 0], replayWindow: 0 }),
    );
    const to = templateRecord({ daddr: [R + k, 0, 0, 0] });
    const from = templateRecord({ saddr: [R + k, 0, 0, 0], daddr: [L, 0, 0, 0] });
    t.table.addPolicy(policyRecord({ index: 8 * k + 1, mark, order: k, templates: [to] }));
    t.table.addPolicy(inPolicyRecord({ index: 8 * k, mark, order: k, templates: [from] }));
  }
  return t;
}

const big = bigTable(SIZE);
const view = new DataView(ipv4Packet(84, { ports: 0x12345678 }).buffer);
let k = 0;

Deno.bench("xfrmLookup(): the same flow, 10,000 SAs and policies", { group: "lookup" }, () => {
  decodeSession(big.table.flow, view, 0, 84, AF_INET, MARK, 10);
  if (xfrmLookup(big.table).reason !== 0) throw new Error("not found");
});

Deno.bench("xfrmLookup(): a flow never seen, 10,000 SAs and policies", { group: "lookup" }, () => {
  k = (k + 1) | 0;
  view.setInt32(12, k);
  decodeSession(big.table.flow, view, 0, 84, AF_INET, 1 + (k >>> 0) % SIZE, 10);
  if (xfrmLookup(big.table).reason !== 0) throw new Error("not found");
});

Deno.bench("StateTable.lookup(): 20,000 SAs", { group: "lookup" }, () => {
  k = k % SIZE + 1;
  if (big.table.states.lookup(k, L | 0, k, 50) === null) throw new Error("not found");
});

const packets = Array.from({ length: BATCH_PACKETS }, (_, i) => ipv4Packet(1400, { ports: i }));

/** Puts a batch back to what it was. */
function keep(batch: Batch): () => void {
  const words = batch.i32.slice();
  return () => batch.i32.set(words);
}

function outgoing(table: TestTable, mark: number): Batch {
  const batch = outBatch(...packets);
  batch.i32[OKEY] = mark;
  batch.i32[REMOTE] = R + mark;
  table.table.transmit(batch);
  if (batch.i32[REASON] !== 0) throw new Error(`refused: ${batch.i32[REASON]}`);
  return batch;
}

const sent = outgoing(big, MARK);
const into = inBatch(...Array.from({ length: BATCH_PACKETS }, (_, i) => packetOf(sent, i)));

const tx = outBatch(...packets);
tx.i32[OKEY] = MARK;
tx.i32[REMOTE] = R + MARK;
const txAgain = keep(tx);

Deno.bench("transmit(): 64 packets, no crypto", { group: "batch" }, () => {
  txAgain();
  big.table.transmit(tx);
  if (tx.i32[REASON + 63] !== 0) throw new Error("refused");
});

const peer = makeTable(fakeBackend(8, 16, 4, false));
peer.table.addState(
  inStateRecord({ saddr: [L, 0, 0, 0], daddr: [R + MARK, 0, 0, 0], spi: MARK, replayWindow: 0 }),
);
peer.table.addPolicy(inPolicyRecord({ templates: [templateRecord({ daddr: [R + MARK, 0, 0, 0] })] }));
const rxAgain = keep(into);

Deno.bench("receive(): 64 packets, no crypto", { group: "batch" }, () => {
  rxAgain();
  peer.table.receive(into);
  if (into.i32[REASON + 63] !== 0) throw new Error(`refused: ${into.i32[REASON + 63]}`);
});

Deno.bench("restoring the batch, to be taken off both", { group: "batch" }, () => {
  rxAgain();
});
