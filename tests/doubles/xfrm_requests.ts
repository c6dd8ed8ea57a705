/**
 * An XfrmUser of the tests, with a clock to turn, and requests that are good.
 */
import assert from "node:assert/strict";
import type { XfrmPolicyRequest, XfrmSelectorInfo, XfrmStateRequest } from "../../actors/gateway.ts";
import type { Errno, Result } from "../../actors/control/kernel_error.ts";
import type { TransformSpec } from "../../actors/control/xfrm_state_request.ts";
import type { Sent } from "../../actors/control/xfrm_change.ts";
import { type XfrmChange, XfrmUser } from "../../actors/control/xfrm_user.ts";
import { PlainKeeper } from "./plain_keeper.ts";
import type { XfrmPolicyRecord, XfrmStateRecord } from "../../datapath/xfrm/xfrm_record.ts";

export const KEY = "0x101112131415161718191a1b1c1d1e1fdeadbeef";
export const HMAC_KEY = "0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3";
export const ANY: XfrmSelectorInfo = {
  src: "0.0.0.0/0",
  dst: "0.0.0.0/0",
  proto: 0,
  sport: 0,
  sport_mask: 0,
  dport: 0,
  dport_mask: 0,
};
export const GCM = { name: "rfc4106(gcm(aes))", key: KEY, icv_bits: 128 };
export const CBC = { name: "cbc(aes)", key: "0x101112131415161718191a1b1c1d1e1f" };
export const SHA1 = { name: "hmac(sha1)", key: HMAC_KEY };
export const BARE = {
  src: "192.0.2.1",
  dst: "192.0.2.2",
  proto: "esp",
  spi: 0x1001,
  mode: "tunnel",
} as const;
export const SA: XfrmStateRequest = { ...BARE, aead: GCM };
export const OUT: XfrmPolicyRequest = {
  sel: ANY,
  dir: "out",
  tmpl: [{ src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", mode: "tunnel" }],
};

export function mark(value: number, mask = 0xffffffff) {
  return { mark: { value, mask } };
}

/** An XfrmUser on devices "eth0" (2) alone, at 1000 seconds, and everything that it says. */
export function setUpXfrm() {
  const sent: XfrmChange[] = [];
  const events: { kind: string; body: unknown }[] = [];
  const clock = { now: 1000 };
  const listeners = { heard: true };
  const sysctls = { noPmtuDisc: false, acqExpires: 30 };
  /** The very keys that the XfrmUser holds. */
  const specs: TransformSpec[] = [];
  let refusal: { errno: Errno; message: string } | null = null;
  const keeper = new PlainKeeper();
  const user = new XfrmUser({
    keeper,
    send: (change, freed) => {
      sent.push(change);
      if (freed !== undefined) keeper.release(freed);
    },
    ifindexOf: (name) => name === "eth0" ? 2 : null,
    ifnameOf: (ifindex) => ifindex === 2 ? "eth0" : null,
    checkTransform: (spec) => {
      specs.push(spec);
      return refusal;
    },
    sysctls: { noPmtuDisc: () => sysctls.noPmtuDisc, acqExpires: () => sysctls.acqExpires },
    now: () => clock.now,
    wallTime: (seconds) => seconds,
    event: (kind, body) => events.push({ kind, body }),
    isHeard: () => listeners.heard,
  });
  const refuse = (errno: Errno) => refusal = { errno, message: "refused" };
  const memory = (record: { readonly cells: bigint }) => keeper.memoryAt(record.cells);
  return { user, sent, events, clock, listeners, sysctls, refuse, specs, keeper, memory };
}

export function value<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? "" : result.error.message);
  return result.value;
}

export function errnoOf(result: Result<unknown>): string {
  return result.ok ? "" : `${result.error.errno} ${result.error.attribute ?? ""}`.trim();
}

export function added(change: XfrmChange | undefined): Sent<XfrmStateRecord> {
  assert.ok(change?.op === "state-add");
  return change.record;
}

export function policyOf(change: XfrmChange | undefined): Sent<XfrmPolicyRecord> {
  assert.ok(change?.op === "policy-add" || change?.op === "policy-upd");
  return change.record;
}
