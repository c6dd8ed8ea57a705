/** Anti-replay: check and advance for one packet, in order and shuffled within the window. */
import { makeXfrmCells, viewXfrmCells } from "../datapath/xfrm/xfrm_cells.ts";
import {
  REPLAY_BITMAP,
  REPLAY_ESN,
  REPLAY_LEGACY,
  type ReplayState,
  xfrmReplayAdvance,
  xfrmReplayCheck,
  xfrmReplaySeqHi,
} from "../datapath/xfrm/xfrm_replay.ts";

function replay(replayKind: number, replayWindow: number): ReplayState {
  return { replayKind, replayWindow, ...viewXfrmCells(makeXfrmCells()) };
}

/** Takes the next packet; `swap` exchanges neighbours by that distance. */
function packet(x: ReplayState, swap: number): () => void {
  let n = swap + 1;
  return () => {
    const seq = (n++ ^ swap) | 0;
    if (!xfrmReplayCheck(x, seq)) throw new Error(`refused: ${seq}`);
    xfrmReplayAdvance(x, seq, xfrmReplaySeqHi(x, seq));
  };
}

const kinds: readonly (readonly [string, number, number])[] = [
  ["legacy 32", REPLAY_LEGACY, 32],
  ["bitmap 128", REPLAY_BITMAP, 128],
  ["ESN 128", REPLAY_ESN, 128],
  ["ESN 4096", REPLAY_ESN, 4096],
  ["ESN 100, no power of two", REPLAY_ESN, 100],
];

for (const [name, kind, window] of kinds) {
  Deno.bench(`${name}, in order`, { group: "in order" }, packet(replay(kind, window), 0));
  Deno.bench(`${name}, eight apart`, { group: "shuffled" }, packet(replay(kind, window), 8));
}
