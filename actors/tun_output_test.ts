import assert from "node:assert/strict";
import { type Batch, OFFSET } from "../datapath/batch.ts";
import { buildPacket, PLAIN, somePayload } from "../tests/doubles/packets.ts";
import { newBatch } from "../ffi/slab_pointers.ts";
import { TunOutput } from "./tun_output.ts";

/** No device: each packet that gets as far as being written is refused. */
const NO_DEVICE = -1;
const BYTES = 100;

/** Segments of two TCP connections that the output joins: two of one, three of the other. */
function twoFlows(): Batch {
  const batch = newBatch();
  for (const [sourcePort, segments] of [[1, 2], [2, 3]] as const) {
    for (let n = 0; n < segments; n++) {
      const packet = buildPacket({ ...PLAIN, sourcePort, seq: n * BYTES, payload: somePayload(BYTES) });
      const i = batch.append(packet.length);
      batch.u8.set(packet, batch.i32[OFFSET + i]!);
    }
  }
  return batch;
}

/** An output that throws at the first `times` super-packets. */
function harmed(times: number): TunOutput {
  const output = new TunOutput();
  const write = output.writeSuperPacket.bind(output);
  output.writeSuperPacket = (...args) => {
    if (times-- > 0) throw new Error("told to throw");
    write(...args);
  };
  return output;
}

Deno.test("TunOutput.end() loses the super-packet at which writing throws, and writes the others", () => {
  const output = harmed(1);
  const batch = twoFlows();
  output.begin(NO_DEVICE);
  for (let i = 0; i < batch.count; i++) output.add(batch, i);
  const errors: unknown[] = [];
  output.end((error) => errors.push(error));
  assert.equal(errors.length, 1);
  assert.deepEqual([output.lost, output.refused], [2, 3]);

  output.taken();
  output.begin(NO_DEVICE);
  for (let i = 0; i < batch.count; i++) output.add(batch, i);
  output.end((error) => errors.push(error));
  assert.equal(errors.length, 1);
  assert.deepEqual([output.lost, output.refused], [0, 5]);
});

Deno.test("TunOutput.end() ends when writing always throws", () => {
  const output = harmed(Infinity);
  const batch = twoFlows();
  output.begin(NO_DEVICE);
  for (let i = 0; i < batch.count; i++) output.add(batch, i);
  let errors = 0;
  output.end(() => errors++);
  assert.deepEqual([errors, output.lost, output.refused], [2, 5, 0]);
});

Deno.test("TunOutput.add() loses what was held when writing that throws, and not the packet that is added", () => {
  const output = harmed(1);
  const batch = twoFlows();
  const next = newBatch();
  next.append(1);
  output.begin(NO_DEVICE);
  for (let i = 0; i < 2; i++) output.add(batch, i);
  // Of no flow: nothing may overtake it, so what is held goes first.
  assert.throws(() => output.add(next, 0), /told to throw/);
  output.end(() => assert.fail("it threw again"));
  assert.deepEqual([output.lost, output.refused], [2, 0]);
});
