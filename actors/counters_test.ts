import assert from "node:assert/strict";
import { Batch, INNER_LENGTH, REASON, SLAB_BYTES } from "../datapath/batch.ts";
import { DROP_ROWS, type DropName } from "../datapath/drop_reason.ts";
import { countReceived, countRefused, countSent, dropsByCause, linkStats, TUNNEL_CELLS } from "./counters.ts";

Deno.test("every DropReason counts itself and what its row says of the device", () => {
  for (const [reason, row] of DROP_ROWS.entries()) {
    const cells = new Float64Array(TUNNEL_CELLS);
    const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
    const i = batch.append(100);
    batch.i32[REASON + i] = reason;
    batch.i32[INNER_LENGTH + i] = 60;
    countRefused(cells, batch, i);
    assert.deepEqual(dropsByCause(cells), { [row.name as DropName]: 1 });
    const { rx, tx } = linkStats(cells);
    const counted = {
      rx: rx.errors === 1 && rx.dropped === 1,
      received: rx.packets === 1 && rx.bytes === 60,
      tx: tx.errors === 1,
      carrier: tx.carrier_errors === 1,
      collision: tx.collisions === 1,
      aborted: tx.aborted_errors === 1,
    };
    const expected = {
      rx: row.netdev === "rx",
      received: row.netdev === "received",
      tx: !["", "rx", "received"].includes(row.netdev),
      carrier: row.netdev === "carrier",
      collision: row.netdev === "collision",
      aborted: row.netdev === "aborted",
    };
    assert.deepEqual(counted, expected, row.name);
  }
});

Deno.test("countSent() and countReceived() count inner bytes", () => {
  const cells = new Float64Array(TUNNEL_CELLS);
  const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  countSent(cells, batch, batch.append(100));
  countReceived(cells, batch, batch.append(60));
  const { rx, tx } = linkStats(cells);
  assert.deepEqual([tx.packets, tx.bytes, rx.packets, rx.bytes], [1, 100, 1, 60]);
});
