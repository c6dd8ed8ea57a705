import assert from "node:assert/strict";
import { setUpXfrm, value } from "../../tests/doubles/xfrm_requests.ts";
import { INITIAL_SPD } from "./xfrm_spd.ts";

Deno.test("XfrmSpd changes what is named, tells the SA table and survives a restart", () => {
  const { user, sent, events, keeper } = setUpXfrm();
  assert.deepEqual(value(user.getSpd()), INITIAL_SPD);
  assert.deepEqual(user.snapshot(), []);
  value(user.setSpd({ default: { in: "block" } }));
  const changed = { ...INITIAL_SPD, default: { ...INITIAL_SPD.default, in: "block" } };
  assert.deepEqual(value(user.setSpd({ hthresh4: { lbits: 24, rbits: 0 } })), {
    ...changed,
    hthresh4: { lbits: 24, rbits: 0 },
  });
  assert.deepEqual(sent, [{ op: "spd", blocksIn: true, blocksFwd: false }, {
    op: "spd",
    blocksIn: true,
    blocksFwd: false,
  }]);
  assert.deepEqual(events, [{ kind: "setdefault", body: changed.default }]);

  const next = setUpXfrm();
  const [kept, ...others] = keeper.kept.values();
  assert.deepEqual([kept!.kind, others], ["spd", []]);
  const thing = { slot: kept!.slot, body: JSON.parse(JSON.stringify(kept!.body)), secret: new Uint8Array() };
  value(next.user.restore({ kind: "spd", ...thing }));
  assert.deepEqual(value(next.user.getSpd()), value(user.getSpd()));
  assert.deepEqual(next.user.snapshot(), [{ op: "spd", blocksIn: true, blocksFwd: false }]);
});

Deno.test("XfrmSpd refuses a threshold longer than an address, and changes nothing", () => {
  const { user, sent } = setUpXfrm();
  for (const change of [{ hthresh4: { lbits: 33, rbits: 0 } }, { hthresh6: { lbits: 0, rbits: 129 } }]) {
    const result = user.setSpd(change);
    assert.equal(result.ok ? null : result.error.errno, "EINVAL");
  }
  assert.deepEqual([value(user.getSpd()), sent], [INITIAL_SPD, []]);
});
