import assert from "node:assert/strict";
import { fakeBackend } from "../xfrm/transform_fixture.ts";
import { ip, stateRecord } from "../xfrm/xfrm_fixture.ts";
import { AF_INET6, XfrmModeNumber, type XfrmStateRecord } from "../xfrm/xfrm_record.ts";
import { XfrmState } from "../xfrm/xfrm_state.ts";
import { vtiStateCheck } from "./vti_state_check.ts";

const L = ip("192.0.2.2");
const R = ip("192.0.2.1");
const ANY = 0;

function check(
  src: number,
  dst: number,
  local: number,
  remote: number,
  change: Partial<XfrmStateRecord> = {},
) {
  const record = stateRecord({ saddr: [src, 0, 0, 0], daddr: [dst, 0, 0, 0], ...change });
  const state = XfrmState.create(record, fakeBackend());
  assert.ok(state instanceof XfrmState);
  return vtiStateCheck(state, local | 0, remote | 0);
}

Deno.test("vtiStateCheck() with a remote: the destination must be it, the source may be open on either side", () => {
  assert.equal(check(L, R, L, R), true); // 1
  assert.equal(check(ANY, R, L, R), true); // 2
  assert.equal(check(L, R + 1, L, R), false); // 3
  assert.equal(check(L + 1, R, L, R), false); // 4
  assert.equal(check(L + 1, R, ANY, R), true); // 5
  assert.equal(check(ANY, R, ANY, R), true); // 6
});

Deno.test("vtiStateCheck() without a remote: the source must be exactly the local address", () => {
  assert.equal(check(L, R, L, ANY), true); // 7
  assert.equal(check(L, R + 99, L, ANY), true); // 8
  assert.equal(check(ANY, R, L, ANY), false); // 9
  assert.equal(check(L, R, ANY, ANY), false); // 10
  assert.equal(check(ANY, R, ANY, ANY), true); // 11
});

Deno.test("vtiStateCheck() takes only tunnel mode over IPv4", () => {
  assert.equal(check(L, R, L, R, { mode: XfrmModeNumber.transport }), false); // 12
  assert.equal(check(L, R, L, R, { mode: XfrmModeNumber.beet }), false); // 13
  assert.equal(check(L, R, L, R, { family: AF_INET6 }), false); // 14
});
