import assert from "node:assert/strict";
import { Batch, SLAB_BYTES } from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import { Segmenter } from "./segment.ts";
import { asRead, buildPacket, hex, packetsOf, PLAIN, somePayload } from "../../tests/doubles/packets.ts";
import { rebuiltByScapy, SCAPY } from "../../tests/doubles/scapy.ts";

const MSS = Uint8Array.of(1, 1, 8, 10, 0, 1, 2, 3, 4, 5, 6, 7);
const SACK = Uint8Array.of(1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2);

Deno.test({
  name: "Segmenter gives the packets that scapy gives",
  ignore: !SCAPY,
  fn: async () => {
    const segmenter = new Segmenter();
    const batch = new Batch(new ArrayBuffer(SLAB_BYTES));
    const packets: Uint8Array[] = [];
    for (const version of [4, 6] as const) {
      for (const protocol of ["tcp", "udp"] as const) {
        for (const options of [new Uint8Array(), MSS, SACK]) {
          for (const [bytes, gsoSize] of [[1, 1400], [2801, 1400], [4199, 1399], [3001, 1], [999, 0]]) {
            const whole = buildPacket({
              ...PLAIN,
              version,
              protocol,
              options,
              id: 65530,
              flags: 0x98,
              payload: somePayload(Math.min(bytes!, gsoSize === 1 ? 33 : bytes!)),
            });
            const read = asRead(whole, gsoSize!);
            segmenter.staging.set(read);
            assert.equal(segmenter.begin(read.length), DropReason.None);
            batch.clear();
            assert.ok(segmenter.fill(batch));
            packets.push(...packetsOf(batch));
          }
        }
      }
    }
    assert.ok(packets.length > 400);
    assert.deepEqual(packets.map(hex), await rebuiltByScapy(packets));
  },
});
