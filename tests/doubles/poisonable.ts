/** Stages of the packet path that a packet can harm: by what it carries, or by its length where that can't be read. */
import { TunOutput } from "../../actors/tun_output.ts";
import { type Batch, COUNT, CURSOR, LENGTH, OFFSET, REASON } from "../../datapath/batch.ts";
import { XfrmTable } from "../../datapath/xfrm/xfrm_table.ts";
import { SlabSender } from "../../ffi/slab_sender.ts";

type Stage = "encrypt" | "deliver";

/** Payload of a datagram at which sending throws. */
export const UNSENDABLE_BYTES = 777;
/** The same with its headers, padded to 808, in ESP with AES-GCM behind an IPv4 header. */
const UNSENDABLE_PACKET = 20 + 8 + 8 + 808 + 16;

/** Text that a packet must carry, and what a test sends. */
export const harmful = (deed: "throw" | "hang", stage: Stage): string => `${deed}-${stage}`;

/** Makes encryption, sending and delivery of this worker harmed. */
export function poisonable(): void {
  const { transmit } = XfrmTable.prototype;
  XfrmTable.prototype.transmit = function (batch: Batch): void {
    const { i32 } = batch;
    const count = i32[COUNT];
    for (let i = i32[CURSOR]; i < count; i++) {
      if (i32[REASON + i] !== 0 || !isHarmful(batch, i, "encrypt")) continue;
      // Those before it are through when it comes to it.
      i32[COUNT] = i;
      transmit.call(this, batch);
      i32[COUNT] = count;
      i32[CURSOR] = i;
      harm(batch, i, "encrypt");
    }
    transmit.call(this, batch);
  };
  const sender = SlabSender.prototype as unknown as Flushing;
  const { flush } = sender;
  sender.flush = function (batch, messages) {
    for (let m = 0; m < messages; m++) {
      for (let i = this.first[m]!; i <= this.last[m]!; i++) {
        if (batch.i32[LENGTH + i] === UNSENDABLE_PACKET) throw new Error("told to throw");
      }
    }
    return flush.call(this, batch, messages);
  };
  const { add } = TunOutput.prototype;
  TunOutput.prototype.add = function (batch: Batch, i: number): void {
    if (isHarmful(batch, i, "deliver")) harm(batch, i, "deliver");
    add.call(this, batch, i);
  };
}

/** What a SlabSender keeps to itself. */
interface Flushing {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
  flush(batch: Batch, messages: number): number;
}

function isHarmful(batch: Batch, i: number, stage: Stage): boolean {
  return has(batch, i, harmful("throw", stage)) || has(batch, i, harmful("hang", stage));
}

function harm(batch: Batch, i: number, stage: Stage): void {
  if (has(batch, i, harmful("throw", stage))) throw new Error("told to throw");
  for (;;);
}

function has({ i32, u8 }: Batch, i: number, text: string): boolean {
  const bytes = u8.subarray(i32[OFFSET + i], i32[OFFSET + i]! + i32[LENGTH + i]!);
  return new TextDecoder("latin1").decode(bytes).includes(text);
}
