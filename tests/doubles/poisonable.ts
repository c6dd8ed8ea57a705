/** Stages of the packet path that a packet can harm: by what it carries, "throw-encrypt", "hang-deliver" and so on. */
import { TunOutput } from "../../actors/tun_output.ts";
import { type Batch, COUNT, CURSOR, LENGTH, OFFSET, REASON } from "../../datapath/batch.ts";
import { XfrmTable } from "../../datapath/xfrm/xfrm_table.ts";

type Stage = "encrypt" | "deliver";

/** Text that a packet must carry, and what a test sends. */
export const harmful = (deed: "throw" | "hang", stage: Stage): string => `${deed}-${stage}`;

/** Makes encryption and delivery of this worker harmed. */
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
  const { add } = TunOutput.prototype;
  TunOutput.prototype.add = function (batch: Batch, i: number): void {
    if (isHarmful(batch, i, "deliver")) harm(batch, i, "deliver");
    add.call(this, batch, i);
  };
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
