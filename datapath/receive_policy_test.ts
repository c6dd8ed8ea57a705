/** The way in, stages 2 and 7: the inbound policies, for the outer packet and for the inner one. */
import assert from "node:assert/strict";
import type { DropName } from "./drop_reason.ts";
import { EXACT, fate, gateway, Sender } from "./receive_fixture.ts";
import { CELL_PACKETS, CELL_USE_TIME, WORD_SEQ } from "./xfrm/xfrm_cells.ts";
import {
  anySelector,
  FROM_R,
  inPolicyRecord,
  inStateRecord,
  ip,
  makeTable,
  R,
  receive,
  SPI_IN,
  templateRecord,
} from "./xfrm/xfrm_fixture.ts";
import { AF_INET, type XfrmPolicyRecord } from "./xfrm/xfrm_record.ts";

const FROM = templateRecord(FROM_R);

Deno.test("receive() checks the inbound policy of the tunnel's mark, after the SA has counted", () => {
  const cases: [string, Partial<XfrmPolicyRecord>[], DropName, object][] = [
    ["none", [], "InNoPols", { XfrmInNoPols: 1 }],
    ["another mark", [{ mark: { value: 8, mask: EXACT } }], "InNoPols", { XfrmInNoPols: 1 }],
    ["block", [{ block: true }], "InPolBlock", { XfrmInPolBlock: 1 }],
    ["allow without template", [{ templates: [] }], "InTmplMismatch", { XfrmInTmplMismatch: 1 }],
    ["reqid", [{ templates: [{ ...FROM, reqid: 77 }] }], "InTmplMismatch", { XfrmInTmplMismatch: 1 }],
    ["SPI", [{ templates: [{ ...FROM, spi: 77 }] }], "InTmplMismatch", { XfrmInTmplMismatch: 1 }],
    ["proto", [{ templates: [{ ...FROM, proto: 51 }] }], "InTmplMismatch", { XfrmInTmplMismatch: 1 }],
    ["mode", [{ templates: [{ ...FROM, mode: 0 }] }], "InTmplMismatch", { XfrmInTmplMismatch: 1 }],
    [
      "source",
      [{ templates: [{ ...FROM, saddr: [R + 1, 0, 0, 0] }] }],
      "InTmplMismatch",
      { XfrmInTmplMismatch: 1 },
    ],
    ["two SAs wanted", [{ templates: [FROM, FROM] }], "InTmplMismatch", { XfrmInTmplMismatch: 1 }],
    ["six", [{ templates: new Array(6).fill(FROM) }], "InBufferError", { XfrmInBufferError: 1 }],
  ];
  for (const [name, policies, reason, mib] of cases) {
    const t = gateway({}, policies);
    assert.deepEqual(fate(t, new Sender().send()), [reason, mib], name);
    assert.deepEqual([t.f64[CELL_PACKETS], t.i32[WORD_SEQ]], [1, 1], name);
  }
});

Deno.test("receive() drops by default what meets no policy, the ESP packet itself first", () => {
  const t = gateway({}, []);
  t.table.setDefault(true, false);
  assert.deepEqual(fate(t, new Sender().send()), ["InOuterNoPols", { XfrmInNoPols: 1 }]);
  // No SA has seen it.
  assert.equal(t.f64[CELL_PACKETS], 0);
  t.table.setDefault(false, false);
  assert.deepEqual(fate(t, new Sender().send()), ["InNoPols", { XfrmInNoPols: 2 }]);
});

Deno.test("receive() is lenient about templates where the kernel is", () => {
  const good: Partial<XfrmPolicyRecord>[] = [
    { templates: [{ ...FROM, saddr: [0, 0, 0, 0] }] },
    { templates: [{ ...FROM, daddr: [1, 2, 3, 4] }] },
    { templates: [{ ...FROM, spi: SPI_IN }] },
    { templates: [{ ...FROM, proto: 108, mode: 0, optional: true }, FROM] },
    { templates: [{ ...FROM, proto: 108, optional: true }, FROM] },
  ];
  for (const policy of good) assert.equal(fate(gateway({}, [policy]), new Sender().send())[0], "None");
  // Template reqid 0 takes any SA on input.
  assert.equal(fate(gateway({ reqid: 5 }), new Sender().send())[0], "None");
});

Deno.test("receive() lets an unmarked inbound policy with a template catch the ESP packet itself", () => {
  const unmarked = { mark: { value: 0, mask: 0 } };
  const t = gateway({}, [unmarked]);
  assert.deepEqual(fate(t, new Sender().send()), ["InOuterTmplMismatch", { XfrmInTmplMismatch: 1 }]);
  assert.deepEqual([t.f64[CELL_USE_TIME], t.f64[CELL_PACKETS]], [0, 0]);
  assert.deepEqual(fate(gateway({}, [{ ...unmarked, block: true }]), new Sender().send()), [
    "InOuterPolBlock",
    { XfrmInPolBlock: 1 },
  ]);
  // One whose selector leaves the outer addresses alone does no harm, nor one without templates.
  const inside = { ...anySelector(AF_INET), saddr: [ip("10.9.0.0"), 0, 0, 0] as const, prefixlenS: 16 };
  assert.equal(fate(gateway({}, [{ ...unmarked, sel: inside }]), new Sender().send())[0], "None");
  const harmless = { ...unmarked, templates: [], priority: 9 };
  assert.equal(fate(gateway({}, [{}, harmless]), new Sender().send())[0], "None");
  // Encapsulated packets are UDP to a policy.
  const udp = { ...anySelector(AF_INET), proto: 17, dport: 4500, dportMask: 0xffff };
  const encap = { encapType: 2, encapSport: 4500, encapDport: 4500 };
  const policies = [{ ...unmarked, sel: udp }, {}];
  assert.equal(fate(gateway(encap, policies), new Sender(encap).send())[0], "InOuterTmplMismatch");
});

Deno.test("receive() refuses an inner packet that the SA's selector does not cover", () => {
  const sel = { ...anySelector(AF_INET), saddr: [ip("10.8.0.0"), 0, 0, 0] as const, prefixlenS: 16 };
  const t = gateway({ sel });
  assert.deepEqual(fate(t, new Sender().send()), ["InStateMismatch", { XfrmInStateMismatch: 1 }]);
});

Deno.test("receive() counts a policy as used", () => {
  const policy = inPolicyRecord();
  const t = makeTable();
  t.table.addState(inStateRecord());
  t.table.addPolicy(policy);
  receive(t, new Sender().send());
  assert.ok(new Float64Array(policy.cells)[0] > 1_600_000_000);
});
