/** The process is killed in the middle of xfrmReplayAdvance(): the window it leaves takes nothing twice. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { makeXfrmCells, viewXfrmCells } from "./xfrm_cells.ts";
import {
  REPLAY_BITMAP,
  REPLAY_ESN,
  REPLAY_LEGACY,
  xfrmReplayAdvance,
  xfrmReplayCheck,
  xfrmReplaySeqHi,
} from "./xfrm_replay.ts";

/** Words that end the process at the write with this number. */
class Killed extends Error {}
function killedAt(words: Int32Array, write: number): Int32Array {
  let writes = 0;
  const count = () => {
    if (writes++ === write) throw new Killed();
  };
  return new Proxy(words, {
    set: (target, key, value) => {
      count();
      target[Number(key)] = value;
      return true;
    },
    get: (target, key) => {
      if (key === "fill") {
        return (value: number, start: number, end: number) => {
          for (let i = start; i < end; i++) {
            count();
            target[i] = value;
          }
        };
      }
      return target[key as unknown as number];
    },
  });
}

const kind = fc.constantFrom(REPLAY_LEGACY, REPLAY_BITMAP, REPLAY_ESN);
/** Distance of the next packet from the last one. */
const steps = fc.array(fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: 1, max: 200 })), {
  minLength: 1,
  maxLength: 40,
});
const start = fc.constantFrom(0, 50, 0xffff_ffa0);

Deno.test("a number that was taken is not taken again after a kill at any write", () => {
  fc.assert(
    fc.property(
      kind,
      fc.constantFrom(32, 33, 64, 128),
      start,
      steps,
      fc.nat(8),
      (kind, w, start, steps, write) => {
        const { f64, i32 } = viewXfrmCells(makeXfrmCells());
        const x = { replayKind: kind, replayWindow: w, f64, i32 };
        const taken = new Set<string>();
        let seq: number = start;
        const arrive = (kill: boolean): void => {
          if (!xfrmReplayCheck(x, seq)) return;
          const hi = xfrmReplaySeqHi(x, seq);
          const name = `${hi} ${seq}`;
          assert.ok(!taken.has(name), `${name} twice`);
          if (kill) {
            try {
              xfrmReplayAdvance({ ...x, i32: killedAt(i32, write) }, seq, hi);
            } catch (error) {
              assert.ok(error instanceof Killed);
            }
            // Not handed on, so it may come again.
            return;
          }
          xfrmReplayAdvance(x, seq, hi);
          taken.add(name);
        };
        const sent: number[] = [];
        for (const [i, step] of steps.entries()) {
          seq = kind === REPLAY_ESN ? (seq + step) >>> 0 : Math.min(Math.max(seq + step, 1), 0xffffffff);
          sent.push(seq);
          arrive(i === steps.length - 1);
        }
        for (seq of sent.slice(0, -1)) arrive(false);
      },
    ),
    { numRuns: 5000 },
  );
});
