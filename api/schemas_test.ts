import assert from "node:assert/strict";
import type { z } from "zod";
import * as gateway from "../actors/gateway.ts";
import * as answers from "./answer_schemas.ts";
import * as requests from "./schemas.ts";

/** true when neither type has a member that the other lacks; `satisfies` beside each schema holds their types. */
type SameMembers<A, B> = [keyof A, keyof B] extends [keyof B, keyof A] ? true : false;
type Of<T extends z.ZodType> = z.output<T>;

Deno.test("schemas have every member of the gateway's types", () => {
  // Checked by the compiler: a member that only one side has makes `true` a type error.
  const same: [
    SameMembers<gateway.VtiInfoData, Of<typeof requests.vtiInfoData>>,
    SameMembers<gateway.LinkRequest, Of<typeof requests.linkRequest>>,
    SameMembers<gateway.LinkChange, Of<typeof requests.linkChange>>,
    SameMembers<gateway.XfrmSelectorInfo, Of<typeof requests.selector>>,
    SameMembers<gateway.XfrmLimits, Of<typeof requests.limits>>,
    SameMembers<gateway.XfrmStateRequest, Of<typeof requests.stateRequest>>,
    SameMembers<gateway.AllocSpiRequest, Of<typeof requests.allocSpiRequest>>,
    SameMembers<gateway.XfrmTemplateInfo, Of<typeof requests.template>>,
    SameMembers<gateway.XfrmPolicyRequest, Of<typeof requests.policyRequest>>,
    SameMembers<gateway.LinkInfo, Of<typeof answers.linkInfo>>,
    SameMembers<gateway.XfrmStateInfo, Of<typeof answers.stateInfo>>,
    SameMembers<gateway.XfrmPolicyInfo, Of<typeof answers.policyInfo>>,
    SameMembers<gateway.NetnsInfo, Of<typeof answers.netnsInfo>>,
    SameMembers<gateway.GatewayHealth, Of<typeof answers.healthInfo>>,
    SameMembers<gateway.GatewayEvent, Of<typeof answers.eventInfo>>,
  ] = [true, true, true, true, true, true, true, true, true, true, true, true, true, true, true];
  assert.ok(same.every(Boolean));
});

Deno.test("schemas have every flag of the gateway's lists", () => {
  assert.deepEqual(requests.stateFlag.options, [...gateway.XFRM_STATE_FLAGS]);
  assert.deepEqual(requests.extraFlag.options, [...gateway.XFRM_STATE_EXTRA_FLAGS]);
});
