import assert from "node:assert/strict";
import {
  CELL_BYTES,
  CELL_OSEQ,
  CELL_PACKETS,
  CELL_USE_TIME,
  viewXfrmCells,
  WORD_BITMAP,
  WORD_SEQ,
} from "../../datapath/xfrm/xfrm_cells.ts";
import {
  added,
  ANY,
  BARE,
  errnoOf,
  GCM,
  KEY,
  mark,
  OUT,
  SA,
  setUpXfrm,
  SHA1,
  value,
} from "../../tests/doubles/xfrm_requests.ts";
import type { XfrmUser } from "./xfrm_user.ts";

Deno.test("newState() finds duplicates by the mark rule", () => {
  const { user } = setUpXfrm();
  value(user.newState({ ...SA, ...mark(7) }));
  assert.equal(errnoOf(user.newState({ ...SA, ...mark(7) })), "EEXIST");
  // 0 & 0xffffffff is not 7: an unmarked one may follow a marked one, and then blocks every other.
  value(user.newState(SA));
  assert.equal(errnoOf(user.newState({ ...SA, ...mark(8) })), "EEXIST");
  assert.equal(errnoOf(user.newState({ ...SA, ...mark(7, 0xff) })), "EEXIST");
  assert.equal(errnoOf(user.newState({ ...SA, ...mark(7), src: "192.0.2.9" })), "EEXIST");
  value(user.newState({ ...SA, dst: "192.0.2.3" }));
  value(user.newState({ ...SA, spi: 0x1002 }));
  value(user.newState({ ...BARE, proto: "ah", auth: SHA1 }));
  // SPI 0 is in no chain.
  value(user.newState({ ...SA, spi: 0 }));
  value(user.newState({ ...SA, spi: 0 }));
  assert.equal(errnoOf(user.getState({ ...BARE, spi: 0 }, false)), "ESRCH");
});

Deno.test("newState() stores canonical names, default truncation and parsed keys", () => {
  const { user, sent } = setUpXfrm();
  const request = {
    ...BARE,
    enc: { name: "aes", key: "sixteen byte key" },
    auth: { name: "sha256", key: "0x123" },
  };
  const info = value(user.newState(request));
  assert.equal(info.enc?.name, "cbc(aes)");
  assert.deepEqual([info.auth?.name, info.auth?.trunc_bits, info.auth?.key_bits], ["hmac(sha256)", 96, 16]);
  const { transform } = added(sent[0]);
  assert.equal(new TextDecoder().decode(transform.enc?.key), "sixteen byte key");
  assert.deepEqual([...transform.auth!.key], [0x01, 0x23]);
  assert.equal(transform.auth?.truncBits, 96);
});

Deno.test("newState() fills in the selector's family unless the SA carries both", () => {
  const { user } = setUpXfrm();
  assert.deepEqual(value(user.newState(SA)).sel, ANY);
  assert.equal(value(user.newState({ ...SA, spi: 2, flags: ["af-unspec"] })).sel, null);
  const sel = { ...ANY, src: "10.0.0.0/8", dev: "eth0" };
  assert.deepEqual(value(user.newState({ ...SA, spi: 3, flags: ["af-unspec"], sel })).sel, sel);
});

Deno.test("newState() chooses the replay implementation as iproute2 and the kernel do", () => {
  const { user, sent } = setUpXfrm();
  const kinds = (["legacy", "legacy", "bitmap", "esn"] as const).map((kind, i) => {
    const window = [0, 32, 33, 32][i]!;
    const flags = kind === "esn" ? ["esn" as const] : [];
    const info = value(user.newState({ ...SA, spi: 0x100 + i, replay_window: window, flags }));
    assert.equal(added(sent[i]).replayWindow, window);
    assert.equal(added(sent[i]).transform.esn, kind === "esn");
    return [info.replay.kind, info.replay.bitmap.length];
  });
  assert.deepEqual(kinds, [["legacy", 1], ["legacy", 1], ["bitmap", 2], ["esn", 1]]);
});

Deno.test("newState() starts at the sequence numbers asked for; only ESN uses high halves, a bitmap shows them", () => {
  const { user } = setUpXfrm();
  const at = {
    replay_seq: 0xfffffff0,
    replay_oseq: 5,
    replay_seq_hi: 1,
    replay_oseq_hi: 2,
    replay_window: 32,
  };
  const legacy = value(user.newState({ ...SA, ...at })).replay;
  assert.deepEqual([legacy.seq, legacy.oseq, legacy.seq_hi, legacy.oseq_hi], [0xfffffff0, 5, 0, 0]);
  const bitmap = value(user.newState({ ...SA, ...at, replay_window: 64, spi: 3 })).replay;
  assert.deepEqual([bitmap.seq, bitmap.oseq, bitmap.seq_hi, bitmap.oseq_hi], [0xfffffff0, 5, 1, 2]);
  const esn = value(user.newState({ ...SA, ...at, spi: 2, flags: ["esn"] })).replay;
  assert.deepEqual([esn.seq, esn.oseq, esn.seq_hi, esn.oseq_hi], [0xfffffff0, 5, 1, 2]);
});

Deno.test("listStates() lists newest first and reads the cells live", () => {
  const { user, sent, clock, memory } = setUpXfrm();
  value(user.newState({ ...SA, replay_window: 32 }));
  clock.now = 1005.9;
  value(user.newState({ ...SA, spi: 2, reqid: 5, ...mark(7) }));
  const { f64, i32 } = viewXfrmCells(memory(added(sent[0])));
  f64[CELL_BYTES] = 204;
  f64[CELL_PACKETS] = 3;
  f64[CELL_USE_TIME] = 1006.5;
  f64[CELL_OSEQ] = 3;
  i32[WORD_SEQ] = -1;
  i32[WORD_BITMAP] = -2147483648;
  const [newest, oldest] = value(user.listStates({}, false));
  assert.deepEqual([newest?.spi, newest?.lifetime.add_time], [2, 1005]);
  assert.deepEqual(oldest?.lifetime, { bytes: 204, packets: 3, add_time: 1000, use_time: 1006 });
  assert.deepEqual([oldest?.replay.seq, oldest?.replay.oseq], [0xffffffff, 3]);
  assert.deepEqual(oldest?.replay.bitmap, [0x80000000]);
  const spis = (filter: Parameters<XfrmUser["listStates"]>[0]) =>
    value(user.listStates(filter, false)).map((info) => info.spi);
  assert.deepEqual(spis({ reqid: 5 }), [2]);
  assert.deepEqual(spis({ spi: 0x1001, proto: "esp", mode: "tunnel", src: "192.0.2.1" }), [0x1001]);
  assert.deepEqual(spis({ dst: "192.0.2.9" }), []);
  assert.equal(errnoOf(user.listStates({ src: "x" }, false)), "EINVAL src");
});

Deno.test("updState() replaces encapsulation, limits and output mark, and nothing else", () => {
  const { user, sent, events } = setUpXfrm();
  assert.equal(errnoOf(user.updState(SA)), "ESRCH");
  value(user.newState({ ...SA, limits: { time_hard: 60 } }));
  const info = value(user.updState({
    ...SA,
    mode: "transport",
    reqid: 9,
    aead: { ...GCM, key: "0x202122232425262728292a2b2c2d2e2fdeadbeef" },
    limits: { byte_hard: 1000 },
    output_mark: { value: 5, mask: 0xff },
  }));
  assert.deepEqual([info.mode, info.reqid, info.limits], ["tunnel", 0, { byte_hard: 1000 }]);
  assert.deepEqual(info.output_mark, { value: 5, mask: 0xff });
  assert.equal(value(user.getState(SA, true)).aead?.key, KEY);
  const change = sent[1];
  assert.ok(change?.op === "state-upd");
  assert.deepEqual([change.number, change.lifetime.hardBytes], [1, 1000]);
  assert.equal(events.at(-1)?.kind, "updsa");
  // An update without an output mark keeps the one there is.
  assert.deepEqual(value(user.updState(SA)).output_mark, { value: 5, mask: 0xff });
});

Deno.test("updState() keeps the encapsulation's type", () => {
  const { user } = setUpXfrm();
  const encap = { type: "espinudp", sport: 4500, dport: 4500, oaddr: "0.0.0.0" } as const;
  value(user.newState({ ...SA, encap }));
  assert.equal(errnoOf(user.updState(SA)), "EINVAL encap");
  assert.equal(
    errnoOf(user.updState({ ...SA, encap: { ...encap, type: "espinudp-nonike" } })),
    "EINVAL encap",
  );
  assert.equal(value(user.updState({ ...SA, encap: { ...encap, dport: 9 } })).encap?.dport, 9);
});

Deno.test("newState() forgets the bits of a mark that its mask leaves out, those of an output mark not", () => {
  const { user } = setUpXfrm();
  const { mark: kept, output_mark } = value(
    user.newState({ ...SA, ...mark(0x107, 0xff), output_mark: { value: 0x105, mask: 0xff } }),
  );
  assert.deepEqual([kept, output_mark], [{ value: 7, mask: 0xff }, { value: 0x105, mask: 0xff }]);
  value(user.delState({ ...SA, ...mark(0x207, 0xff) }));
});

Deno.test("delState() finds by the mark rule and says so", () => {
  const { user, sent, events } = setUpXfrm();
  value(user.newState({ ...SA, ...mark(7) }));
  assert.equal(errnoOf(user.delState(SA)), "ESRCH");
  const keys = user.snapshot().map(added)[0]!.transform.aead!.key;
  value(user.delState({ ...SA, ...mark(7), src: "203.0.113.1" }));
  assert.deepEqual(sent.at(-1), { op: "state-del", number: 1 });
  assert.equal(events.at(-1)?.kind, "delsa");
  assert.equal(errnoOf(user.delState({ ...SA, ...mark(7) })), "ESRCH");
  // Copies are the receiver's; the number is never used again.
  assert.equal(keys[0], 0x10);
  value(user.newState(SA));
  assert.equal(added(sent.at(-1)).number, 2);
});

Deno.test("keys show only where asked for, never in events", () => {
  const { user, events } = setUpXfrm();
  const secret = {
    ...BARE,
    enc: { name: "aes", key: "0xfeedfacefeedface" },
    auth: { name: "sha1", key: "0xfeedface" },
  };
  const shown = [
    user.newState(secret),
    user.getState(BARE, false),
    user.listStates({}, false),
    user.updState(secret),
    user.newState(secret),
    user.newState({ ...secret, spi: 9, enc: { name: "aes", key: "0xfeedfaceq" } }),
  ];
  assert.match(JSON.stringify(user.getState(BARE, true)), /"0xfeedfacefeedface"/);
  value(user.delState(BARE));
  assert.doesNotMatch(JSON.stringify([shown, events]), /feedface/);
  assert.match(JSON.stringify(shown), /<<Keys hidden>>/);
});

Deno.test("flushStates() tells of one flush, or of every SA of a finer choice", () => {
  const { user, sent, events } = setUpXfrm();
  assert.equal(value(user.flushStates({})), 0);
  assert.equal(events.length, 0);
  for (const spi of [1, 2, 3]) value(user.newState({ ...SA, spi, reqid: spi }));
  assert.equal(value(user.flushStates({ reqid: 2 })), 1);
  assert.equal(events.at(-1)?.kind, "delsa");
  assert.equal(value(user.flushStates({ proto: "ah" })), 0);
  assert.equal(value(user.flushStates({ proto: "esp" })), 2);
  assert.deepEqual(events.at(-1), { kind: "flushsa", body: { proto: "esp", count: 2 } });
  assert.equal(sent.filter((change) => change.op === "state-del").length, 3);
  assert.equal(user.stateCount, 0);
});

Deno.test("snapshot() repeats states and policies in their order, with keys", () => {
  const { user } = setUpXfrm();
  for (const spi of [3, 1, 2]) value(user.newState({ ...SA, spi }));
  value(user.allocSpi(BARE));
  value(user.newPolicy(OUT));
  const changes = user.snapshot();
  assert.deepEqual(changes.map((c) => c.op), [
    ...["state-add", "state-add", "state-add", "state-reserve", "policy-add"],
  ]);
  assert.deepEqual(changes.slice(0, 3).map((c) => added(c).spi), [3, 1, 2]);
  added(changes[0]).transform.aead?.key.fill(0);
  assert.equal(added(user.snapshot()[0]).transform.aead?.key[0], 0x10);
});

Deno.test("an SA with an if_id is never sent with through a vti", () => {
  const { user, sent } = setUpXfrm();
  const info = value(user.newState({ ...SA, if_id: 5 }));
  assert.deepEqual([info.if_id, info.flags], [5, []]);
  assert.equal(added(sent[0]).flags, 8);
});

Deno.test("newState() gives SAs over IPv4 nopmtudisc where ip_no_pmtu_disc is set", () => {
  const { user, sysctls, sent } = setUpXfrm();
  const flags = (more: Partial<typeof SA>) => value(user.newState({ ...SA, ...more })).flags;
  assert.deepEqual(flags({ spi: 0x101 }), []);
  sysctls.noPmtuDisc = true;
  assert.deepEqual(flags({ spi: 0x102, flags: ["noecn"] }), ["noecn", "nopmtudisc"]);
  assert.equal(added(sent.at(-1)).flags, 1 | 4);
  const ipv6 = { src: "2001:db8::1", dst: "2001:db8::2" };
  assert.deepEqual(flags({ spi: 0x103, ...ipv6 }), []);
});

Deno.test("newState() refuses what no host here does, in the kernel's words", () => {
  const { user } = setUpXfrm();
  const encap = { type: "espintcp", sport: 4500, dport: 4500, oaddr: "0.0.0.0" } as const;
  const rows = [
    [{ encap }, "EINVAL encap.type", "Unsupported encapsulation type for ESP"],
    [{ offload: { dir: "in" } }, "EINVAL offload", "Type doesn't support offload"],
    [{ offload: { dev: "eth0", dir: "out" } }, "EINVAL offload", "Type doesn't support offload"],
    [{ offload: { dev: "eth9", dir: "out" } }, "ENODEV offload.dev", undefined],
  ] as const;
  for (const [more, expected, extack] of rows) {
    const result = user.newState({ ...SA, ...more });
    assert.equal(errnoOf(result), expected);
    assert.equal(result.ok ? null : result.error.extack, extack);
  }
  assert.equal(user.stateCount, 0);
});

Deno.test("newState() cuts an original address to the family of the SA", () => {
  const { user } = setUpXfrm();
  const encap = { type: "espinudp", sport: 4500, dport: 4500, oaddr: "2001:db8::1" } as const;
  // What Linux shows of it.
  assert.equal(value(user.newState({ ...SA, encap })).encap!.oaddr, "32.1.13.184");
  assert.equal(
    value(user.newState({ ...SA, spi: 2, encap: { ...encap, oaddr: "::" } })).encap!.oaddr,
    "0.0.0.0",
  );
});

Deno.test("verifyState() tells what newState() would refuse, adds nothing and keeps no key", () => {
  const { user, specs, sent } = setUpXfrm();
  assert.equal(errnoOf(user.verifyState({ ...SA, tfcpad: 5, mode: "transport" }, "new")), "EINVAL tfcpad");
  value(user.verifyState(SA, "new"));
  assert.deepEqual([user.stateCount, sent.length], [0, 0]);
  assert.ok(specs.length > 0);
  for (const { aead } of specs) assert.ok(aead!.key.every((byte) => byte === 0));
});

Deno.test("verifyState() tells what stands in the way of an SA, or that there is none to update", () => {
  const { user } = setUpXfrm();
  assert.equal(errnoOf(user.verifyState(SA, "upd")), "ESRCH");
  value(user.newState(SA));
  assert.equal(errnoOf(user.verifyState(SA, "new")), "EEXIST");
  value(user.verifyState(SA, "upd"));
  const encap = { type: "espinudp", sport: 4500, dport: 4500, oaddr: "0.0.0.0" } as const;
  assert.equal(errnoOf(user.verifyState({ ...SA, encap }, "upd")), "EINVAL encap");
});

Deno.test("newState() keeps limits of 64 bits, and one of time that is no s64 is over at once", () => {
  const { user, clock } = setUpXfrm();
  const exact = {
    byte_hard: "9007199254740993",
    packet_soft: "18446744073709551614",
    time_hard: "9223372036854775807",
  };
  const info = value(user.newState({ ...SA, limits: { ...exact, byte_soft: "18446744073709551615" } }));
  assert.deepEqual(info.limits, exact);
  value(user.newState({ ...SA, spi: 2, limits: { time_use_hard: "9223372036854775808" } }));
  user.tick(clock.now + 1);
  assert.deepEqual(value(user.listStates({}, false)).map(({ spi }) => spi), [SA.spi]);
});
