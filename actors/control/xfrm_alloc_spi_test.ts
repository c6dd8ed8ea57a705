/** SPIs that are reserved before the keys are there (xfrm_alloc_spi). */
import assert from "node:assert/strict";
import { added, BARE, errnoOf, mark, SA, setUpXfrm, value } from "../../tests/doubles/xfrm_requests.ts";

Deno.test("allocSpi() reserves an SPI until an update brings the keys", () => {
  const { user, sent, clock } = setUpXfrm();
  const range = { ...BARE, min: 0x200, max: 0x200 };
  const info = value(user.allocSpi(range));
  assert.deepEqual([info.spi, info.sel?.src, info.limits], [0x200, "192.0.2.1/32", { time_hard: 30 }]);
  // The SA table hears of it, so that packets that come too early are told from stray ones.
  assert.deepEqual(sent.map(({ op }) => op), ["state-reserve"]);
  assert.equal(errnoOf(user.allocSpi(range)), "ENOENT");
  assert.equal(errnoOf(user.newState({ ...SA, spi: 0x200 })), "EEXIST");
  value(user.updState({ ...SA, spi: 0x200, reqid: 3 }));
  assert.deepEqual(sent.map(({ op }) => op), ["state-reserve", "state-del", "state-add"]);
  assert.equal(added(sent[2]).reqid, 3);
  clock.now += 31;
  user.tick(clock.now);
  assert.equal(user.stateCount, 1);
});

Deno.test("allocSpi() gives every SPI of a range once", () => {
  const { user } = setUpXfrm();
  const spis = Array.from(
    { length: 16 },
    () => value(user.allocSpi({ ...BARE, min: 0x200, max: 0x20f })).spi,
  );
  assert.equal(new Set(spis).size, 16);
  assert.equal(errnoOf(user.allocSpi({ ...BARE, min: 0x200, max: 0x20f })), "ENOENT");
  assert.equal(errnoOf(user.allocSpi({ ...BARE, min: 0, max: 0 })), "ENOENT");
  assert.equal(errnoOf(user.allocSpi({ ...BARE, min: 3, max: 2 })), "EINVAL min");
  assert.equal(errnoOf(user.allocSpi({ ...BARE, proto: "comp", max: 0x10000 })), "EINVAL max");
  const spi = value(user.allocSpi(BARE)).spi;
  assert.ok(spi >= 0x100 && spi <= 0x0fffffff);
});

Deno.test("tick() lets a reserved SPI go after 30 seconds", () => {
  const { user, events } = setUpXfrm();
  value(user.allocSpi(BARE));
  user.tick(1029.9);
  assert.equal(user.stateCount, 1);
  user.tick(1030);
  assert.equal(user.stateCount, 0);
  assert.equal(events.at(-1)?.kind, "expire");
});

Deno.test("allocSpi() reserves for as long as xfrm_acq_expires says", () => {
  const { user, sysctls, clock } = setUpXfrm();
  sysctls.acqExpires = 5;
  const { src, dst, proto, mode } = BARE;
  value(user.allocSpi({ src, dst, proto, mode }));
  user.tick(clock.now + 4);
  assert.equal(user.stateCount, 1);
  user.tick(clock.now + 5);
  assert.equal(user.stateCount, 0);
});

Deno.test("allocSpi() takes no SPI that another SA of the protocol has, and leaves a larval SA without one", () => {
  const { user } = setUpXfrm();
  value(user.newState({ ...SA, ...mark(7) }));
  // Another destination and no mark, but the same SPI (xfrm_state_lookup_spi_proto).
  const { aead: _, spi, ...place } = { ...SA, dst: "192.0.2.9" };
  assert.equal(errnoOf(user.allocSpi({ ...place, min: spi, max: spi })), "ENOENT");
  const [larval] = value(user.listStates({}, false));
  assert.deepEqual([larval!.spi, larval!.dst], [0, "192.0.2.9"]);
  // The next one for these ends gives the larval SA its SPI.
  assert.equal(value(user.allocSpi({ ...place, min: spi + 1, max: spi + 1 })).spi, spi + 1);
  assert.equal(user.stateCount, 2);
});
