/** What the SPD of a namespace does where no policy decides, and its hash thresholds (net/xfrm/xfrm_user.c). */
import type { XfrmSpdChange, XfrmSpdInfo } from "../gateway.ts";
import type { Kept, Slot } from "./keeper.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import type { XfrmChange } from "./xfrm_change.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";

export const INITIAL_SPD: XfrmSpdInfo = {
  default: { in: "accept", fwd: "accept", out: "accept" },
  hthresh4: { lbits: 32, rbits: 32 },
  hthresh6: { lbits: 128, rbits: 128 },
};

export class XfrmSpd {
  readonly #deps: XfrmUserDeps;
  #info: XfrmSpdInfo = INITIAL_SPD;
  /** Where it is kept, once it has been changed. */
  #slot: Slot | null = null;

  constructor(deps: XfrmUserDeps) {
    this.#deps = deps;
  }

  get info(): XfrmSpdInfo {
    return this.#info;
  }

  /** xfrm_set_spdinfo() and xfrm_set_default(). What is not named stays. */
  set(change: XfrmSpdChange): Result<XfrmSpdInfo> {
    for (const [name, longest] of [["hthresh4", 32], ["hthresh6", 128]] as const) {
      const { lbits = 0, rbits = 0 } = change[name] ?? {};
      const state = `more than ${longest} bits`;
      if (Math.max(lbits, rbits) > longest) return fail("EINVAL", `Cannot set ${name}: ${state}`, name);
    }
    const info = { ...this.#info, ...change, default: { ...this.#info.default, ...change.default } };
    const kept = this.#keep(info);
    if (!kept.ok) return kept;
    this.#info = info;
    this.#deps.send(this.#change());
    if (change.default !== undefined) this.#deps.event("setdefault", info.default);
    return ok(info);
  }

  restore({ slot, body }: { readonly slot: Slot; readonly body: unknown }): Result<void> {
    this.#slot = slot;
    this.#info = body as XfrmSpdInfo;
    return ok(undefined);
  }

  #keep(body: XfrmSpdInfo): Result<void> {
    const { keeper } = this.#deps;
    if (this.#slot !== null) {
      keeper.change({ kind: "spd", slot: this.#slot, body });
      return ok(undefined);
    }
    const slot = keeper.allocate();
    if (!slot.ok) return slot;
    const thing: Kept = { kind: "spd", slot: slot.value, body };
    const kept = keeper.add(thing);
    if (kept.ok) this.#slot = slot.value;
    else keeper.release(slot.value);
    return kept;
  }

  /** What a new SA-table actor must be told. */
  snapshot(): XfrmChange[] {
    const change = this.#change();
    return change.blocksIn || change.blocksFwd ? [change] : [];
  }

  #change() {
    const { in: inbound, fwd } = this.#info.default;
    return { op: "spd", blocksIn: inbound === "block", blocksFwd: fwd === "block" } as const;
  }
}
