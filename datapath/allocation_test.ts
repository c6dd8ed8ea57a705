/** What the hot path leaves to the garbage collector. */
import assert from "node:assert/strict";
import { allocatedPerPacket } from "./allocation_fixture.ts";
import { BATCH_PACKETS, REASON } from "./batch.ts";
import { gateway } from "./receive_fixture.ts";
import { fakeBackend } from "./xfrm/transform_fixture.ts";
import {
  inBatch,
  ipv4Packet,
  L,
  makeTable,
  outBatch,
  packetOf,
  policyRecord,
  R,
  stateRecord,
  templateRecord,
} from "./xfrm/xfrm_fixture.ts";

Deno.test("transmit() and receive() allocate nothing for a packet", () => {
  const clear = fakeBackend(8, 16, 4, false);
  const a = makeTable(clear);
  a.table.addState(stateRecord());
  a.table.addPolicy(policyRecord());
  const b = gateway({ daddr: [R, 0, 0, 0], saddr: [L, 0, 0, 0], spi: 0x2002, replayWindow: 0 }, [
    { templates: [templateRecord()] },
  ], clear);
  const packets = Array.from(
    { length: BATCH_PACKETS },
    (_, i) => ipv4Packet(1400, { ports: i, df: i % 2 === 0 }),
  );
  const out = outBatch(...packets);
  const outWords = out.i32.slice();
  a.table.transmit(out);
  const into = inBatch(...packets.map((_, i) => packetOf(out, i)));
  const inWords = into.i32.slice();
  const rounds = (n: number) => {
    for (let i = 0; i < n; i++) {
      out.i32.set(outWords);
      a.table.transmit(out);
      into.i32.set(inWords);
      b.table.receive(into);
    }
  };
  rounds(1);
  assert.deepEqual([out.i32[REASON + 63], into.i32[REASON + 63]], [0, 0]);
  // The clock read once a batch is a heap number of 16 bytes.
  const bytes = allocatedPerPacket(500 * 2 * BATCH_PACKETS, () => rounds(500));
  assert.ok(bytes < 1, `bytes a packet: ${bytes}`);
});
