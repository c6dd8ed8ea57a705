/** Companions of IPComp SAs, as Linux 6.1 lists them. */
import assert from "node:assert/strict";
import { added, BARE, errnoOf, mark, setUpXfrm, value } from "../../tests/doubles/xfrm_requests.ts";
import { fail } from "./kernel_error.ts";
import type { XfrmUser } from "./xfrm_user.ts";

const COMP = { ...BARE, proto: "comp", comp: { name: "deflate" } } as const;
/** 192.0.2.1, the source. */
const SPI = 0xc0000201;

function listed(user: XfrmUser): string[] {
  return value(user.listStates({}, false)).map(({ proto, spi, src }) =>
    `${proto} ${spi.toString(16)} ${src}`
  );
}

Deno.test("newState() of IPComp in tunnel mode makes a companion that is listed behind it", () => {
  const { user, sent, events } = setUpXfrm();
  value(user.newState({ ...COMP, ...mark(7), reqid: 5, flags: ["af-unspec"] }));
  assert.deepEqual(listed(user), ["comp 1001 192.0.2.1", "ipip c0000201 192.0.2.1"]);
  const [, companion] = value(user.listStates({}, false));
  assert.deepEqual([companion!.mark, companion!.reqid, companion!.flags, companion!.mode], [
    mark(7).mark,
    0,
    ["af-unspec"],
    "tunnel",
  ]);
  assert.deepEqual([companion!.comp, companion!.sel, user.stateCount], [undefined, null, 2]);
  assert.deepEqual(sent.map((change) => [added(change).proto, added(change).spi]), [[4, SPI], [108, 0x1001]]);
  assert.deepEqual(events.map(({ kind }) => kind), ["newsa"]);
});

Deno.test("IPComp SAs between two ends share a companion, which goes with the last", () => {
  const { user, events } = setUpXfrm();
  value(user.newState(COMP));
  value(user.newState({ ...COMP, spi: 0x1002 }));
  assert.deepEqual(listed(user).length, 3);
  value(user.delState(COMP));
  assert.deepEqual(listed(user), ["comp 1002 192.0.2.1", "ipip c0000201 192.0.2.1"]);
  value(user.delState({ ...COMP, spi: 0x1002 }));
  assert.deepEqual(listed(user), []);
  assert.deepEqual(events.map(({ kind }) => kind), ["newsa", "newsa", "delsa", "delsa"]);
});

Deno.test("newState() makes no companion for transport mode, IPv6 or what can't be added", () => {
  const { user } = setUpXfrm();
  value(user.newState({ ...COMP, mode: "transport" }));
  assert.equal(errnoOf(user.newState(COMP)), "EEXIST");
  value(user.newState({ ...COMP, src: "2001:db8::1", dst: "2001:db8::2" }));
  assert.deepEqual(listed(user).map((line) => line.split(" ")[0]), ["comp", "comp"]);
});

Deno.test("flushStates() counts no companion, and leaves one whose IPComp SAs stay", () => {
  const { user } = setUpXfrm();
  value(user.newState(COMP));
  assert.equal(value(user.flushStates({ proto: "esp" })), 0);
  assert.equal(listed(user).length, 2);
  assert.equal(value(user.flushStates({ src: "192.0.2.9" })), 0);
  assert.equal(value(user.flushStates({})), 1);
  assert.deepEqual(listed(user), []);
});

Deno.test("an IPComp SA that can't be kept leaves no companion and no slot", () => {
  const { user, keeper, sent } = setUpXfrm();
  keeper.refusal = fail("ENOBUFS", "full");
  assert.equal(errnoOf(user.newState(COMP)), "ENOBUFS");
  assert.deepEqual(listed(user), []);
  assert.deepEqual(sent.map(({ op }) => op), ["state-add", "state-del"]);
  assert.equal(keeper.slots.size, 0);
});

Deno.test("an IPComp SA taken up after a restart has its companion again; the store has none", () => {
  const before = setUpXfrm();
  value(before.user.newState(COMP));
  assert.equal(before.keeper.kept.size, 1);
  const after = setUpXfrm();
  const [kept] = before.keeper.kept.values();
  const { slot, body, secret } = kept!;
  value(after.user.restore({ kind: "state", slot, body, secret: secret ?? new Uint8Array() }));
  assert.deepEqual(listed(after.user), ["comp 1001 192.0.2.1", "ipip c0000201 192.0.2.1"]);
  assert.deepEqual(after.user.snapshot().map((change) => added(change).proto), [4, 108]);
});
