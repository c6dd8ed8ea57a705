/** Larval SAs, as Linux 6.1 lists and replaces them. */
import assert from "node:assert/strict";
import type { WantedState } from "../../datapath/xfrm/xfrm_acquire.ts";
import type { XfrmAcquireInfo, XfrmMappingInfo, XfrmPolicyRequest, XfrmStateRequest } from "../gateway.ts";
import { GCM, mark, OUT, setUpXfrm, value } from "../../tests/doubles/xfrm_requests.ts";

const L = 0xc0000202, R = 0xc0000201;
const SRC = "192.0.2.2", DST = "192.0.2.1";
const POLICY: XfrmPolicyRequest = {
  ...OUT,
  ...mark(7),
  tmpl: [{ src: SRC, dst: DST, proto: "esp", mode: "tunnel", reqid: 3 }],
};
const ADDED: XfrmStateRequest = {
  src: SRC,
  dst: DST,
  proto: "esp",
  spi: 0x2001,
  mode: "tunnel",
  reqid: 3,
  aead: GCM,
  ...mark(7),
};

/** A ping from 10.9.0.2 to 10.9.0.1 by interface 2. */
function wanted(index: number, change: Partial<WantedState> = {}): WantedState {
  return {
    policy: { index, type: 0 },
    template: 0,
    saddr: [L, 0, 0, 0],
    daddr: [R, 0, 0, 0],
    flow: {
      family: 2,
      saddr: [0x0a090002, 0, 0, 0],
      daddr: [0x0a090001, 0, 0, 0],
      proto: 1,
      sport: 8,
      dport: 0,
      ifindex: 2,
    },
    ...change,
  };
}

function setUp() {
  const x = setUpXfrm();
  const { index } = value(x.user.newPolicy(POLICY));
  const states = () => value(x.user.listStates({}, false));
  const told = () => x.events.filter(({ kind }) => kind === "acquire").map((e) => e.body as XfrmAcquireInfo);
  return { ...x, index, states, told };
}

Deno.test("acquire() makes a larval SA of template and flow, and tells of it once", () => {
  const { user, index, states, told, sent } = setUp();
  user.acquire(wanted(index));
  user.acquire(wanted(index));
  const [larval] = states();
  assert.deepEqual([larval!.src, larval!.dst, larval!.proto, larval!.spi], [SRC, DST, "esp", 0]);
  assert.deepEqual([larval!.reqid, larval!.mode, larval!.mark, larval!.seq], [3, "tunnel", mark(7).mark, 1]);
  assert.deepEqual(larval!.sel, {
    src: "10.9.0.2/32",
    dst: "10.9.0.1/32",
    proto: 1,
    sport: 8,
    sport_mask: 0xffff,
    dport: 0,
    dport_mask: 0xffff,
    dev: "eth0",
  });
  assert.deepEqual(larval!.limits, { time_hard: 30 });
  assert.deepEqual([states().length, told().length], [1, 1]);
  assert.deepEqual([told()[0]!.state, told()[0]!.policy.index], [larval, index]);
  // No packet can name it, so the SA table never hears of it.
  assert.deepEqual(sent.map(({ op }) => op), ["policy-add"]);
});

Deno.test("acquire() asks again when time was up", () => {
  const { user, index, states, told, clock, events } = setUp();
  user.acquire(wanted(index));
  clock.now += 30;
  user.tick(clock.now);
  assert.deepEqual([states().length, events.at(-1)?.kind], [0, "expire"]);
  user.acquire(wanted(index));
  assert.deepEqual(told().map(({ state }) => state.seq), [1, 2]);
});

Deno.test("acquire() does nothing where nobody listens, or where the policy is gone", () => {
  const { user, index, states, told, listeners } = setUp();
  listeners.heard = false;
  user.acquire(wanted(index));
  listeners.heard = true;
  user.acquire(wanted(index + 8));
  user.acquire(wanted(index, { template: 1 }));
  assert.deepEqual([states(), told()], [[], []]);
});

Deno.test("newState() takes the place of the larval SA with its ends", () => {
  const { user, index, states } = setUp();
  const spis = () => states().map(({ spi }) => spi);
  user.acquire(wanted(index));
  for (const other of [{ reqid: 4 }, { ...mark(8) }, { dst: "192.0.2.3" }, { src: "192.0.2.3", spi: 0x99 }]) {
    value(user.newState({ ...ADDED, ...other }));
    assert.ok(spis().includes(0), JSON.stringify(other));
  }
  value(user.flushStates({ reqid: 4 }));
  value(user.newState({ ...ADDED, spi: 0x55 }));
  assert.ok(!spis().includes(0));
});

Deno.test("newState() takes the place of the larval SA that it names by seq", () => {
  const { user, index, states } = setUp();
  user.acquire(wanted(index));
  const seq = states()[0]!.seq;
  value(user.newState({ ...ADDED, reqid: 9, seq }));
  assert.deepEqual(states().map(({ spi }) => spi), [0x2001]);
});

Deno.test("acquire() waits for a reserved SPI of the same ends", () => {
  const { user, index, told } = setUp();
  value(user.allocSpi({ src: SRC, dst: DST, proto: "esp", mode: "tunnel", reqid: 3 }));
  user.acquire(wanted(index));
  assert.equal(told().length, 0);
});

Deno.test("allocSpi() gives the larval SA its SPI that it names by seq, once", () => {
  const { user, index, states } = setUp();
  user.acquire(wanted(index));
  const [larval] = states();
  const request = { src: SRC, dst: DST, proto: "esp", mode: "tunnel", seq: larval!.seq, ...mark(7) } as const;
  const reserved = value(user.allocSpi({ ...request, min: 0x200, max: 0x200 }));
  assert.deepEqual(reserved, { ...larval, spi: 0x200 });
  assert.deepEqual(value(user.allocSpi({ ...request, min: 0x300, max: 0x300 })), reserved);
  assert.deepEqual(states(), [reserved]);
});

Deno.test("allocSpi() keeps no seq that no larval SA has", () => {
  const { user } = setUp();
  const { seq } = value(user.allocSpi({ src: SRC, dst: DST, proto: "esp", mode: "tunnel", seq: 3 }));
  assert.equal(seq, 0);
});

Deno.test("flushStates() takes larval SAs too, and a restart does not bring them back", () => {
  const { user, index, states, keeper } = setUp();
  user.acquire(wanted(index));
  assert.deepEqual([...keeper.kept.values()].map(({ kind }) => kind), ["policy"]);
  assert.deepEqual(user.snapshot().map(({ op }) => op), ["policy-add"]);
  assert.equal(value(user.flushStates({})), 1);
  assert.deepEqual(states(), []);
});

Deno.test("mapped() tells where packets in UDP come from now", () => {
  const { user, events } = setUp();
  value(user.newState({
    ...ADDED,
    encap: { type: "espinudp", sport: 4500, dport: 4500, oaddr: "0.0.0.0" },
  }));
  user.mapped(1, 0xc633640a, 1025);
  const { state, new_src, new_sport } = events.at(-1)!.body as XfrmMappingInfo;
  assert.deepEqual([events.at(-1)!.kind, state.src, state.encap?.sport, new_src, new_sport], [
    "mapping",
    SRC,
    4500,
    "198.51.100.10",
    1025,
  ]);
  user.mapped(99, 0, 0);
});
