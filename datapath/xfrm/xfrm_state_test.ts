import assert from "node:assert/strict";
import {
  CELL_BYTES,
  CELL_EXPIRY,
  CELL_OSEQ,
  CELL_USE_TIME,
  viewXfrmCells,
  WORD_GRANTED,
  WORD_LEASES,
} from "./xfrm_cells.ts";
import { LEASE_PACKETS } from "./xfrm_lease.ts";
import { xfrmReplayCheck } from "./xfrm_replay.ts";
import { ALIVE, EXPIRY_DYING, EXPIRY_EXPIRED, HARD_EXPIRED, SOFT_EXPIRED, XfrmState } from "./xfrm_state.ts";
import { fakeBackend } from "./transform_fixture.ts";
import { stateRecord } from "./xfrm_fixture.ts";
import type { LifetimeRecord, XfrmStateRecord } from "./xfrm_record.ts";
import { StateTable } from "./xfrm_state_table.ts";

const TWO_32 = 0x1_0000_0000;

function make(record: XfrmStateRecord): XfrmState {
  const state = XfrmState.create(record, fakeBackend());
  assert.ok(state instanceof XfrmState);
  return state;
}

/** An SA whose last number sent is `oseq`, as the control path starts it. */
function startedAt(oseq: number, change: Partial<XfrmStateRecord> = {}): XfrmStateRecord {
  const record = stateRecord(change);
  viewXfrmCells(record.cells).f64[CELL_OSEQ] = oseq;
  return record;
}

function next(state: XfrmState): number | null {
  return state.nextSequence() ? (state.oseqHi >>> 0) * TWO_32 + (state.oseqLo >>> 0) : null;
}

Deno.test("nextSequence() starts at 1, and behind replay-oseq", () => {
  assert.equal(next(make(stateRecord())), 1);
  const state = make(startedAt(5));
  assert.deepEqual([next(state), next(state)], [6, 7]);
  assert.equal(state.f64[CELL_OSEQ], 7);
});

Deno.test("nextSequence() goes on into the next lease", () => {
  const state = make(startedAt(LEASE_PACKETS - 1));
  assert.deepEqual([next(state), next(state)], [LEASE_PACKETS, LEASE_PACKETS + 1]);
  assert.equal(state.i32[WORD_LEASES], 2);
});

Deno.test("nextSequence() of a successor uses no number that its predecessor has or may still take", () => {
  const record = stateRecord();
  const first = make(record);
  assert.deepEqual([next(first), next(first)], [1, 2]);
  const second = make(record);
  assert.equal(next(second), LEASE_PACKETS + 1);
  // The predecessor was given up, but wakes again.
  assert.equal(next(first), 3);
  const third = make(record);
  assert.equal(next(third), 2 * LEASE_PACKETS + 1);
  const taken = new Set<number>([1, 2, 3, LEASE_PACKETS + 1, 2 * LEASE_PACKETS + 1]);
  for (let i = 0; i < LEASE_PACKETS + 10; i++) {
    for (const actor of [first, second, third]) {
      const n = next(actor)!;
      assert.ok(!taken.has(n), `${n} twice`);
      taken.add(n);
    }
  }
});

Deno.test("nextSequence() skips what a recorded number says was used", () => {
  const record = startedAt(10 * LEASE_PACKETS);
  assert.equal(next(make(record)), 10 * LEASE_PACKETS + 1);
});

Deno.test("nextSequence() ends at 0xffffffff without ESN, for good, and stays there", () => {
  const state = make(startedAt(0xfffffffe, { extraFlags: 2 }));
  assert.equal(next(state), 0xffffffff);
  for (let i = 0; i < 5; i++) assert.equal(next(state), null);
  assert.equal(state.f64[CELL_OSEQ], 0xffffffff);
  const leases = state.i32[WORD_LEASES];
  for (let i = 0; i < 5; i++) state.nextSequence();
  assert.equal(state.i32[WORD_LEASES], leases);
});

Deno.test("nextSequence() of a successor at the end refuses too", () => {
  const record = startedAt(0xfffffff0);
  next(make(record));
  assert.equal(next(make(record)), null);
});

Deno.test("nextSequence() with ESN carries into the high half", () => {
  const state = make(startedAt(TWO_32 - 2, { replayKind: "esn", replayWindow: 32 }));
  assert.deepEqual([next(state), next(state), next(state)], [TWO_32 - 1, TWO_32, TWO_32 + 1]);
  assert.deepEqual([state.oseqHi, state.oseqLo], [1, 1]);
});

Deno.test("nextSequence() refuses an SA whose start leaves no lease that can be counted", () => {
  const esn = { replayKind: "esn", replayWindow: 32 } as const;
  for (const start of [2 ** 47, 2 ** 48, 2 ** 49, 2 ** 53, 2 ** 64 - 2 ** 33]) {
    const state = make(startedAt(start, esn));
    for (let i = 0; i < 3; i++) assert.equal(next(state), null, `start ${start}`);
    assert.equal(state.i32[WORD_LEASES], 0);
  }
  const state = make(startedAt(2 ** 47 - 2, esn));
  assert.deepEqual([next(state), next(state), next(state)], [2 ** 47 - 1, 2 ** 47, null]);
});

function limited(limit: Partial<LifetimeRecord>): XfrmState {
  return make(stateRecord({ lifetime: { ...stateRecord().lifetime, ...limit } }));
}

/** Verdicts of n packets of 84 bytes. */
function send(state: XfrmState, n: number): number[] {
  return Array.from({ length: n }, () => {
    const verdict = state.checkExpire(1234);
    if (verdict !== HARD_EXPIRED) state.count(84);
    return verdict;
  });
}

Deno.test("checkExpire() lets exactly N packets pass", () => {
  const state = limited({ hardPackets: 3 });
  assert.deepEqual(send(state, 4), [ALIVE, ALIVE, ALIVE, HARD_EXPIRED]);
  assert.equal(state.f64[CELL_EXPIRY], EXPIRY_EXPIRED);
  assert.equal(state.f64[CELL_BYTES], 252);
});

Deno.test("checkExpire() lets the packet pass that crosses a byte limit", () => {
  assert.deepEqual(send(limited({ hardBytes: 100 }), 3), [ALIVE, ALIVE, HARD_EXPIRED]);
  assert.deepEqual(send(limited({ hardBytes: 0 }), 1), [HARD_EXPIRED]);
});

Deno.test("checkExpire() tells of a soft limit once, at the first packet that finds it reached", () => {
  const state = limited({ softPackets: 2 });
  assert.deepEqual(send(state, 4), [ALIVE, ALIVE, SOFT_EXPIRED, ALIVE]);
  assert.equal(state.expiry, EXPIRY_DYING);
  state.update(stateRecord());
  assert.equal(state.f64[CELL_EXPIRY], 0);
});

Deno.test("checkExpire() sets the use time at the first packet", () => {
  const state = make(stateRecord());
  state.checkExpire(1000);
  state.checkExpire(2000);
  assert.equal(state.f64[CELL_USE_TIME], 1000);
});

Deno.test("create() goes on from the cells that the predecessor left", () => {
  const record = stateRecord({ lifetime: { ...stateRecord().lifetime, softPackets: 1, hardPackets: 2 } });
  send(make(record), 2);
  const successor = make(record);
  assert.equal(successor.expiry, EXPIRY_DYING);
  assert.deepEqual(send(successor, 1), [HARD_EXPIRED]);
});

Deno.test("create() says why an algorithm won't do, and zeroes the keys", () => {
  const key = new Uint8Array(20).fill(9);
  const refused = XfrmState.create(
    stateRecord({ transform: { aead: { name: "unknown", key, icvBits: 128 }, esn: false } }),
    fakeBackend(),
  );
  assert.deepEqual(refused, { errno: "ENOSYS", message: "unknown algorithm" });
  assert.deepEqual(key, new Uint8Array(20));
});

Deno.test("destroy() zeroes the keys and frees every transform", () => {
  const backend = fakeBackend();
  const record = stateRecord();
  const state = XfrmState.create(record, backend) as XfrmState;
  state.sealer();
  state.opener();
  assert.equal(state.sealer(), state.sealer());
  state.destroy();
  assert.equal(backend.made.length, 3);
  assert.ok(backend.made.every((t) => t.destroyed));
  assert.deepEqual(record.transform.aead!.key, new Uint8Array(20));
});

Deno.test("StateTable.lookup() finds the newest SA that takes the mark, in whatever order they came", () => {
  for (const order of [[1, 2, 3], [3, 2, 1], [2, 3, 1]]) {
    const states = new StateTable();
    const marks = [{ value: 0, mask: 0 }, { value: 7, mask: 0xffffffff }, { value: 8, mask: 0xffffffff }];
    for (const number of order) states.insert(make(stateRecord({ number, mark: marks[number - 1] })));
    const record = stateRecord();
    const find = (mark: number) => states.lookup(mark, record.daddr[0] | 0, record.spi, record.proto)?.number;
    assert.deepEqual([find(7), find(8), find(9)], [2, 3, 1]);
    states.remove(states.get(2)!);
    assert.equal(find(7), 1);
    assert.equal(states.lookup(7, record.daddr[0] | 0, record.spi + 1, record.proto), null);
    assert.equal(states.lookup(7, record.daddr[0] | 0, record.spi, 51), null);
    assert.equal(states.lookup(7, 1, record.spi, record.proto), null);
  }
});

Deno.test("StateTable keeps every SA findable while it grows and shrinks", () => {
  const states = new StateTable();
  const record = (n: number) => stateRecord({ number: n, spi: 0xf0000000 + n, daddr: [n % 7, 0, 0, 0] });
  for (let n = 1; n <= 1000; n++) states.insert(make(record(n)));
  for (let n = 1; n <= 1000; n += 2) states.remove(states.get(n)!);
  for (let n = 1; n <= 1000; n++) {
    const found = states.lookup(7, n % 7, (0xf0000000 + n) | 0, 50);
    assert.equal(found?.number, n % 2 === 0 ? n : undefined);
  }
  assert.equal(states.size, 500);
});

Deno.test("nextSequence() stops at what is granted, and goes on when more is", () => {
  const record = startedAt(LEASE_PACKETS - 1);
  const { i32 } = viewXfrmCells(record.cells);
  i32[WORD_GRANTED] = 1;
  const state = make(record);
  assert.deepEqual([next(state), next(state), next(state)], [LEASE_PACKETS, null, null]);
  assert.equal(i32[WORD_LEASES], 1);
  i32[WORD_GRANTED] = 2;
  assert.equal(next(state), LEASE_PACKETS + 1);
});

Deno.test("an SA whose input is refused takes no number and sends on", () => {
  for (const replayKind of ["legacy", "bitmap", "esn"] as const) {
    const state = make(startedAt(7, { replayKind, replayWindow: 32, inputRefused: true }));
    for (const seq of [0, 1, 0x7fffffff, 0xffffffe0, 0xffffffff]) {
      assert.equal(xfrmReplayCheck(state, seq), false, `${replayKind} ${seq}`);
    }
    assert.equal(next(state), 8);
  }
});
