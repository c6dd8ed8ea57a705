import assert from "node:assert/strict";
import fc from "fast-check";
import type { XfrmUser } from "./xfrm_user.ts";
import type { XfrmChange } from "./xfrm_change.ts";
import { ANY, OUT, SA, setUpXfrm } from "../../tests/doubles/xfrm_requests.ts";

/** What an SA table that only hears the changes has, oldest first. */
class Follower {
  readonly states = new Map<number, { spi: number; hardBytes: number; dying: boolean }>();
  readonly policies = new Map<number, { priority: number; order: number }>();

  apply(change: XfrmChange): void {
    switch (change.op) {
      case "state-add":
      case "state-reserve": {
        const { number, spi, lifetime } = change.record;
        assert.ok(!this.states.has(number));
        this.states.set(number, { spi, hardBytes: lifetime.hardBytes, dying: false });
        break;
      }
      case "state-upd":
        this.#state(change.number).hardBytes = change.lifetime.hardBytes;
        this.#state(change.number).dying = false;
        break;
      case "state-dying":
        this.#state(change.number).dying = true;
        break;
      case "state-del":
        assert.ok(this.states.delete(change.number));
        break;
      case "policy-add":
      case "policy-upd": {
        const { index, priority, order } = change.record;
        assert.equal(this.policies.delete(index), change.op === "policy-upd");
        this.policies.set(index, { priority, order });
        break;
      }
      case "policy-del":
        assert.ok(this.policies.delete(change.index));
        break;
    }
  }

  #state(number: number) {
    const state = this.states.get(number);
    assert.ok(state);
    return state;
  }
}

const spi = fc.integer({ min: 0, max: 4 });
const mark = fc.constantFrom({ value: 0, mask: 0 }, { value: 7, mask: 0xffffffff }, { value: 7, mask: 0xff });
const limits = fc.constantFrom({}, { byte_hard: 9 }, { time_soft: 3, time_hard: 6 }, { time_use_hard: 2 });
const dir = fc.constantFrom("in" as const, "out" as const, "fwd" as const);
const index = fc.integer({ min: 0, max: 40 });
type Step = (user: XfrmUser, clock: { now: number }) => unknown;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(spi, mark, limits).map(([spi, mark, limits]): Step => (u) =>
    u.newState({ ...SA, spi, mark, limits })
  ),
  fc.tuple(spi, mark, limits).map(([spi, mark, limits]): Step => (u) =>
    u.updState({ ...SA, spi, mark, limits })
  ),
  fc.tuple(spi, mark).map(([spi, mark]): Step => (u) => u.delState({ ...SA, spi, mark })),
  fc.tuple(mark, spi).map(([mark, max]): Step => (u) => u.allocSpi({ ...SA, mark, min: 1, max })),
  fc.tuple(fc.nat(9), fc.boolean()).map(([number, hard]): Step => (u) => u.expired(number, hard)),
  fc.constant<Step>((u) => u.flushStates({ spi: 2 })),
  fc.tuple(dir, mark, index, fc.nat(3)).map(([dir, mark, index, if_id]): Step => (u) =>
    u.newPolicy({ ...OUT, dir, mark, index, if_id })
  ),
  fc.tuple(dir, mark, limits).map(([dir, mark, limits]): Step => (u) =>
    u.updPolicy({ ...OUT, dir, mark, limits })
  ),
  fc.tuple(dir, mark).map(([dir, mark]): Step => (u) => u.delPolicy({ sel: ANY, dir, mark })),
  fc.tuple(dir, mark, index).map(([dir, mark, index]): Step => (u) => u.delPolicy({ index, dir, mark })),
  fc.nat(4).map((seconds): Step => (u, clock) => u.tick(clock.now += seconds)),
);

Deno.test("an SA table that follows the changes has what snapshot() would tell a new one", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { user, sent, clock } = setUpXfrm();
      for (const step of steps) step(user, clock);
      const follower = new Follower();
      for (const change of sent) follower.apply(change);
      const fresh = new Follower();
      for (const change of user.snapshot()) fresh.apply(change);
      assert.deepEqual([...follower.states], [...fresh.states]);
      assert.deepEqual([...follower.policies], [...fresh.policies]);
    }),
    { numRuns: 1000 },
  );
});
