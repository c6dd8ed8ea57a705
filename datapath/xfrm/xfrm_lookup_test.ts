import assert from "node:assert/strict";
import { DROP_ROWS, type DropName } from "../drop_reason.ts";
import { decodeSession } from "./flow.ts";
import {
  anySelector,
  ip,
  ipv4Packet,
  ipv6Packet,
  KEY,
  L,
  makeTable,
  policyRecord,
  R,
  SPI_OUT,
  stateRecord,
  templateRecord,
  type TestTable,
} from "./xfrm_fixture.ts";
import { xfrmLookup } from "./xfrm_lookup.ts";
import { ANY_DEVICE } from "./xfrm_table.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  type TemplateRecord,
  XfrmModeNumber,
  type XfrmPolicyRecord,
  XfrmStateFlagBit,
  type XfrmStateRecord,
} from "./xfrm_record.ts";

const EXACT = 0xffffffff;
const VTI = 10;

interface Setup {
  readonly states?: readonly Partial<XfrmStateRecord>[];
  readonly policies?: readonly Partial<XfrmPolicyRecord>[];
}

function tableOf({ states = [{}], policies = [{}] }: Setup): TestTable {
  const t = makeTable();
  states.forEach((change, i) =>
    t.table.addState(stateRecord({ number: i + 1, spi: SPI_OUT + i, ...change }))
  );
  policies.forEach((change, i) => t.table.addPolicy(policyRecord({ index: 8 * i + 1, order: i, ...change })));
  return t;
}

/** Number of the SA that the flow of a packet goes by, or the name of what is in the way. */
function lookup(t: TestTable, packet = ipv4Packet(84), mark = KEY): number | DropName {
  const family = packet[0] >> 4 === 4 ? AF_INET : AF_INET6;
  decodeSession(t.table.flow, new DataView(packet.buffer), 0, packet.length, family, mark, VTI);
  const entry = xfrmLookup(t.table);
  return entry.reason === 0 ? entry.state!.number : DROP_ROWS[entry.reason].name as DropName;
}

const template = (change: Partial<TemplateRecord>): Partial<XfrmPolicyRecord> => ({
  templates: [templateRecord(change)],
});

Deno.test("xfrmLookup() finds policy, SA and route", () => {
  const t = tableOf({});
  assert.equal(lookup(t), 1);
  assert.deepEqual(t.routes.asked, [[R, L, 0, 0]]);
});

Deno.test("xfrmLookup() without a policy for the mark, blocked, or with nothing to apply", () => {
  assert.equal(lookup(tableOf({ policies: [] })), "OutNoPolicy");
  assert.equal(lookup(tableOf({}), ipv4Packet(84), KEY + 1), "OutNoPolicy");
  assert.equal(lookup(tableOf({ policies: [{ block: true }] })), "OutPolBlock");
  assert.equal(lookup(tableOf({ policies: [{ templates: [] }] })), "OutNoPolicy");
  assert.equal(lookup(tableOf({}), ipv6Packet(60)), "OutNoPolicy");
});

Deno.test("xfrmLookup() transforms no IPv4 that leaves by an interface with disable_xfrm, or when all have it", () => {
  const t = tableOf({ policies: [{ block: true }] });
  for (const noXfrm of [[VTI], [ANY_DEVICE]]) {
    t.table.exempt([], [9]);
    assert.equal(lookup(t, ipv4Packet(84), KEY), "OutPolBlock");
    t.table.exempt([], noXfrm);
    assert.equal(lookup(t, ipv4Packet(84), KEY), "OutNoPolicy");
  }
});

Deno.test("xfrmLookup() chooses the SA by the policy's mark, not the flow's", () => {
  const unmarked = { mark: { value: 0, mask: 0 } };
  assert.equal(lookup(tableOf({ policies: [unmarked] })), "OutNoStates");
  assert.equal(lookup(tableOf({ states: [unmarked], policies: [unmarked] })), 1);
  assert.equal(lookup(tableOf({ states: [unmarked] })), 1);
  assert.equal(lookup(tableOf({ states: [{ mark: { value: 8, mask: EXACT } }] })), "OutNoStates");
  const masked = { mark: { value: KEY, mask: 0xff } };
  assert.equal(lookup(tableOf({ policies: [masked] }), ipv4Packet(84), 0x100 + KEY), 1);
});

Deno.test("xfrmLookup() needs the reqid to be exactly equal", () => {
  assert.equal(lookup(tableOf({ states: [{ reqid: 5 }] })), "OutNoStates");
  assert.equal(lookup(tableOf({ policies: [template({ reqid: 5 })] })), "OutNoStates");
  assert.equal(lookup(tableOf({ states: [{ reqid: 5 }], policies: [template({ reqid: 5 })] })), 1);
});

Deno.test("xfrmLookup() needs destination, source, mode and protocol to fit", () => {
  assert.equal(lookup(tableOf({ states: [{ daddr: [R + 1, 0, 0, 0] }] })), "OutNoStates");
  assert.equal(lookup(tableOf({ states: [{ saddr: [L + 1, 0, 0, 0] }] })), "OutNoStates");
  assert.equal(lookup(tableOf({ states: [{ mode: XfrmModeNumber.transport }] })), "OutNoStates");
  assert.equal(lookup(tableOf({ policies: [template({ proto: 51 })] })), "OutNoStates");
  assert.equal(lookup(tableOf({ states: [{ flags: XfrmStateFlagBit.wildrecv }] })), "OutNoStates");
});

Deno.test("xfrmLookup() takes an SA of any source only when none has this one", () => {
  const any = { saddr: [0, 0, 0, 0] } as const;
  assert.equal(lookup(tableOf({ states: [any] })), 1);
  assert.equal(lookup(tableOf({ states: [{ addTime: 1 }, { ...any, addTime: 9 }] })), 1);
});

Deno.test("xfrmLookup() asks routing for the source that a template leaves open", () => {
  const t = tableOf({ policies: [template({ saddr: [0, 0, 0, 0] })] });
  assert.equal(lookup(t), 1);
  assert.deepEqual(t.routes.asked[0], [R, 0, 0, 0]);
  t.routes.result.src = (L + 1) | 0;
  t.table.routesChanged();
  assert.equal(lookup(t), "OutNoStates");
  t.routes.result.errno = 101;
  t.table.routesChanged();
  assert.equal(lookup(t), "OutPolError");
});

Deno.test("xfrmLookup() needs a template's SPI, and calls a misfit that has it an error", () => {
  assert.equal(lookup(tableOf({ policies: [template({ spi: SPI_OUT })] })), 1);
  assert.equal(lookup(tableOf({ policies: [template({ spi: 0x999 })] })), "OutNoStates");
  assert.equal(
    lookup(tableOf({ states: [{ reqid: 5 }], policies: [template({ spi: SPI_OUT })] })),
    "OutPolError",
  );
});

Deno.test("xfrmLookup() prefers the SA added later, then the newer, and dying ones last", () => {
  assert.equal(lookup(tableOf({ states: [{ addTime: 5 }, { addTime: 9 }, { addTime: 7 }] })), 2);
  assert.equal(lookup(tableOf({ states: [{ addTime: 5 }, { addTime: 5 }] })), 2);
  const t = tableOf({ states: [{ addTime: 5 }, { addTime: 9 }] });
  assert.equal(lookup(t), 2);
  t.table.setDying(2);
  assert.equal(lookup(t), 1);
  t.table.setDying(1);
  assert.equal(lookup(t), 2);
});

Deno.test("xfrmLookup() sees every change at the next packet", () => {
  const t = tableOf({});
  assert.equal(lookup(t), 1);
  t.table.addState(stateRecord({ number: 2, spi: 0x3000, addTime: 2000 }));
  assert.equal(lookup(t), 2);
  t.table.delState(2);
  assert.equal(lookup(t), 1);
  t.table.addPolicy(policyRecord({ index: 17, order: 9, block: true, priority: 0 }));
  assert.equal(lookup(t), 1);
  t.table.addPolicy(policyRecord({ index: 1, order: 0, block: true }));
  assert.equal(lookup(t), "OutPolBlock");
  assert.equal(t.table.delPolicy(1, 1, 0), true);
  assert.equal(t.table.delPolicy(17, 1, 0), true);
  assert.equal(lookup(t), "OutNoPolicy");
});

Deno.test("xfrmLookup() takes only an SA whose selector matches the flow", () => {
  const sel = { ...anySelector(AF_INET), daddr: [ip("10.9.0.1"), 0, 0, 0] as const, prefixlenD: 32 };
  assert.equal(lookup(tableOf({ states: [{ sel }] })), 1);
  assert.equal(lookup(tableOf({ states: [{ sel }] }), ipv4Packet(84, { dst: "10.9.0.3" })), "OutNoStates");
});

Deno.test("xfrmLookup() carries IPv6 by an SA without a family, or with an IPv6 selector", () => {
  const policies = [{ family: AF_INET6 }] as const;
  const six = ipv6Packet(60);
  assert.equal(lookup(tableOf({ policies }), six), "OutNoStates");
  assert.equal(lookup(tableOf({ policies, states: [{ sel: anySelector(AF_UNSPEC) }] }), six), 1);
  assert.equal(lookup(tableOf({ policies, states: [{ sel: anySelector(AF_INET6) }] }), six), 1);
});

Deno.test("xfrmLookup() skips optional templates, and refuses six", () => {
  const comp = templateRecord({ proto: 108, optional: true });
  const esp = templateRecord();
  assert.equal(lookup(tableOf({ policies: [{ templates: [comp, esp] }] })), 1);
  assert.equal(lookup(tableOf({ policies: [{ templates: [comp] }] })), "OutNoPolicy");
  assert.equal(lookup(tableOf({ policies: [{ templates: [comp, comp, comp, comp, esp] }] })), 1);
  assert.equal(
    lookup(tableOf({ policies: [{ templates: [comp, comp, comp, comp, comp, esp] }] })),
    "OutPolError",
  );
  assert.equal(lookup(tableOf({ policies: [{ templates: [esp, esp] }] })), 1);
});

Deno.test("xfrmLookup() takes a sub policy first and counts the main one in", () => {
  const sub = { type: 1, index: 1 };
  assert.equal(lookup(tableOf({ policies: [sub, { index: 9, templates: [] }] })), 1);
  assert.equal(lookup(tableOf({ policies: [{ ...sub, templates: [] }, { index: 9 }] })), 1);
  assert.equal(lookup(tableOf({ policies: [sub, { index: 9, block: true }] })), "OutPolBlock");
});

Deno.test("xfrmLookup() refuses transport mode and an IPv6 outer header, as vti_state_check() does", () => {
  const ends = { saddr: [ip("10.9.0.2"), 0, 0, 0], daddr: [ip("10.9.0.1"), 0, 0, 0] } as const;
  const mode = XfrmModeNumber.transport;
  assert.equal(
    lookup(tableOf({ states: [{ ...ends, mode }], policies: [template({ mode })] })),
    "OutStateCheck",
  );
  const six = { family: AF_INET6, saddr: [1, 2, 3, 4], daddr: [5, 6, 7, 8] } as const;
  assert.equal(lookup(tableOf({ states: [six], policies: [template(six)] })), "OutStateCheck");
});

Deno.test("xfrmLookup() reports a missing outer route and asks again when routes change", () => {
  const t = tableOf({});
  t.routes.result.errno = 101;
  assert.equal(lookup(t), "OutBundleGenError");
  t.routes.result.errno = 0;
  t.table.routesChanged();
  assert.equal(lookup(t), 1);
});

Deno.test("xfrmLookup() asks for a route by TOS and output mark, and only once for many flows", () => {
  const t = tableOf({ states: [{ outputMark: { value: 0x10, mask: 0xf0 } }] });
  for (let port = 1; port < 50; port++) lookup(t, ipv4Packet(84, { ports: port, tos: 0xb8 }));
  assert.deepEqual(t.routes.asked, [[R, L, 0x18, 0x10 | KEY]]);
  lookup(t, ipv4Packet(84, { tos: 0 }));
  assert.equal(t.routes.asked.length, 2);
});

Deno.test("xfrmLookup() marks a policy as used when it blocks or has nothing to apply", () => {
  for (const change of [{ block: true }, { templates: [] }]) {
    const used = policyRecord(change);
    const t = makeTable();
    t.table.addPolicy(used);
    t.table.now = 1234;
    lookup(t);
    assert.equal(new Float64Array(used.cells)[0], 1234);
  }
});

Deno.test("xfrmLookup() marks a policy with templates as used only when a bundle came of it", () => {
  const used = policyRecord();
  const t = makeTable();
  t.table.addPolicy(used);
  t.table.now = 1234;
  assert.equal(lookup(t), "OutNoStates");
  assert.equal(new Float64Array(used.cells)[0], 0);
  t.table.addState(stateRecord());
  lookup(t);
  assert.equal(new Float64Array(used.cells)[0], 1234);
});

Deno.test("xfrmLookup() never confuses flows that share a cache entry", () => {
  const t = tableOf({
    policies: [{ sel: { ...anySelector(AF_INET), sport: 1, sportMask: 1 } }],
  });
  for (let round = 0; round < 2; round++) {
    for (let port = 0; port < 5000; port++) {
      const expected = port % 2 === 1 ? 1 : "OutNoPolicy";
      assert.equal(lookup(t, ipv4Packet(84, { ports: port * 65536 })), expected);
    }
  }
});
