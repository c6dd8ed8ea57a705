import assert from "node:assert/strict";
import type { XfrmStateRequest } from "../gateway.ts";
import { PROTO_NUMBER } from "./xfrm_state_request.ts";
import {
  added,
  ANY,
  BARE,
  CBC,
  errnoOf,
  GCM,
  SA,
  setUpXfrm,
  SHA1,
  value,
} from "../../tests/doubles/xfrm_requests.ts";

Deno.test("newState() refuses what the kernel refuses, and blames the attribute", async (t) => {
  const rows: [name: string, request: XfrmStateRequest, expected: string][] = [
    ["src no address", { ...SA, src: "nowhere" }, "EINVAL src"],
    ["dst no address", { ...SA, dst: "192.0.2" }, "EINVAL dst"],
    ["families differ", { ...SA, dst: "2001:db8::2" }, "EINVAL dst"],
    ["selector prefix over 32", { ...SA, sel: { ...ANY, src: "10.0.0.0/33" } }, "EINVAL sel.src"],
    ["selector prefix over 128", { ...SA, sel: { ...ANY, src: "::/0", dst: "::/129" } }, "EINVAL sel.dst"],
    ["selector of two families", { ...SA, sel: { ...ANY, dst: "::/0" } }, "EINVAL sel.dst"],
    ["selector's device unknown", { ...SA, sel: { ...ANY, dev: "eth9" } }, "ENODEV sel.dev"],
    ["ah without auth", { ...BARE, proto: "ah" }, "EINVAL auth"],
    ["ah with aead", { ...SA, proto: "ah", auth: SHA1 }, "EINVAL aead"],
    ["ah with enc", { ...BARE, proto: "ah", auth: SHA1, enc: CBC }, "EINVAL enc"],
    ["ah with comp", { ...BARE, proto: "ah", auth: SHA1, comp: { name: "deflate" } }, "EINVAL comp"],
    ["ah with tfcpad", { ...BARE, proto: "ah", auth: SHA1, tfcpad: 9 }, "EINVAL tfcpad"],
    ["esp with comp", { ...SA, comp: { name: "deflate" } }, "EINVAL comp"],
    ["esp without algorithm", BARE, "EINVAL enc"],
    ["esp with auth alone", { ...BARE, auth: SHA1 }, "EINVAL enc"],
    ["aead and enc", { ...SA, enc: CBC }, "EINVAL aead"],
    ["aead and auth", { ...SA, auth: SHA1 }, "EINVAL aead"],
    ["tfcpad in transport mode", { ...SA, mode: "transport", tfcpad: 9 }, "EINVAL tfcpad"],
    ["comp without algorithm", { ...BARE, proto: "comp" }, "EINVAL comp"],
    ["comp with enc", { ...BARE, proto: "comp", comp: { name: "deflate" }, enc: CBC }, "EINVAL enc"],
    [
      "comp with a long SPI",
      { ...BARE, proto: "comp", comp: { name: "deflate" }, spi: 0x10000 },
      "EINVAL spi",
    ],
    ["comp in beet mode", { ...BARE, proto: "comp", comp: { name: "deflate" }, mode: "beet" }, "EINVAL mode"],
    ["mode in_trigger", { ...SA, mode: "in_trigger" }, "EINVAL mode"],
    ["mode ro over IPv4", { ...SA, mode: "ro" }, "EPROTONOSUPPORT mode"],
    [
      "transport of another family",
      { ...SA, mode: "transport", sel: { ...ANY, src: "::/0", dst: "::/0" } },
      "EPROTONOSUPPORT sel",
    ],
    ["unknown aead", { ...SA, aead: { ...GCM, name: "nosuch(aes)" } }, "ENOSYS aead"],
    ["aead ICV not in the table", { ...SA, aead: { ...GCM, icv_bits: 100 } }, "ENOSYS aead"],
    ["unknown enc", { ...BARE, enc: { ...CBC, name: "nosuch" } }, "ENOSYS enc.name"],
    ["unknown auth", { ...BARE, enc: CBC, auth: { ...SHA1, name: "nosuch" } }, "ENOSYS auth.name"],
    ["unknown comp", { ...BARE, proto: "comp", comp: { name: "lzs" } }, "ENOSYS comp.name"],
    [
      "truncation over the full ICV",
      { ...BARE, enc: CBC, auth: { ...SHA1, trunc_bits: 168 } },
      "EINVAL auth.trunc_bits",
    ],
    [
      "truncation to nothing",
      { ...BARE, enc: CBC, auth: { ...SHA1, trunc_bits: 7 } },
      "EINVAL auth.trunc_bits",
    ],
    ["key not hex", { ...SA, aead: { ...GCM, key: "0xzz" } }, "EINVAL aead.key"],
    ["key too long", { ...BARE, enc: { ...CBC, key: "k".repeat(513) } }, "EINVAL enc.key"],
    [
      "encap of ah",
      {
        ...BARE,
        proto: "ah",
        auth: SHA1,
        encap: { type: "espinudp", sport: 1, dport: 2, oaddr: "0.0.0.0" },
      },
      "EINVAL encap",
    ],
    [
      "encap of comp",
      {
        ...BARE,
        proto: "comp",
        comp: { name: "deflate" },
        encap: { type: "espinudp", sport: 1, dport: 2, oaddr: "0.0.0.0" },
      },
      "EINVAL encap",
    ],
    [
      "encap address",
      { ...SA, encap: { type: "espinudp", sport: 1, dport: 2, oaddr: "x" } },
      "EINVAL encap.oaddr",
    ],
    ["esn without window", { ...SA, flags: ["esn"] }, "EINVAL replay_window"],
    ["window over 4096", { ...SA, replay_window: 4097 }, "EINVAL replay_window"],
    [
      "comp with a bitmap window",
      { ...BARE, proto: "comp", comp: { name: "deflate" }, replay_window: 33 },
      "EINVAL replay_window",
    ],
    [
      "comp with esn",
      { ...BARE, proto: "comp", comp: { name: "deflate" }, flags: ["esn"], replay_window: 32 },
      "EINVAL flags",
    ],
  ];
  for (const [name, request, expected] of rows) {
    await t.step(name, () => {
      const { user, sent, events } = setUpXfrm();
      assert.equal(errnoOf(user.newState(request)), expected);
      assert.deepEqual([sent.length, events.length, user.stateCount], [0, 0, 0]);
    });
  }
});

Deno.test("newState() takes what the kernel takes", async (t) => {
  const rows: [name: string, request: XfrmStateRequest][] = [
    ["enc without auth", { ...BARE, enc: CBC }],
    ["null cipher with an empty key", { ...BARE, enc: { name: "cipher_null", key: "" }, auth: SHA1 }],
    ["SPI 0", { ...SA, spi: 0 }],
    ["reserved SPI", { ...SA, spi: 0xff }],
    ["beet", { ...SA, mode: "beet" }],
    ["transport by default", { src: BARE.src, dst: BARE.dst, proto: "esp", spi: 1, aead: GCM }],
    ["any destination", { ...SA, dst: "0.0.0.0" }],
    ["any source", { ...SA, src: "0.0.0.0" }],
    ["IPv6 inside IPv4", { ...SA, sel: { ...ANY, src: "::/0", dst: "::/0" } }],
    ["IPv6 outside", { ...SA, src: "2001:db8::1", dst: "2001:db8::2" }],
    ["the largest window", { ...SA, replay_window: 4096 }],
    ["ah", { ...BARE, proto: "ah", auth: SHA1 }],
    ["comp", { ...BARE, proto: "comp", comp: { name: "deflate" } }],
    ["encap to port 0", { ...SA, encap: { type: "espinudp", sport: 4500, dport: 0, oaddr: "0.0.0.0" } }],
    ["the whole ICV", { ...BARE, enc: CBC, auth: { ...SHA1, trunc_bits: 160 } }],
  ];
  for (const [name, request] of rows) {
    await t.step(name, () => {
      const { user, sent } = setUpXfrm();
      value(user.newState(request));
      assert.equal(added(sent.at(-1)).proto, PROTO_NUMBER[request.proto]);
    });
  }
});

Deno.test("newState() gives the kernel's words where iproute2 prints them", () => {
  const { user, refuse } = setUpXfrm();
  const words = (request: XfrmStateRequest) => {
    const result = user.newState(request);
    return result.ok ? "" : result.error.extack;
  };
  assert.equal(words({ ...SA, aead: { ...GCM, icv_bits: 32 } }), "Requested AEAD algorithm not found");
  assert.equal(words({ ...BARE, enc: { ...CBC, name: "x" } }), "Requested CRYPT algorithm not found");
  const long = { ...BARE, enc: CBC, auth: { ...SHA1, trunc_bits: 264 } };
  assert.equal(words(long), "Invalid length requested for truncated ICV");
  refuse("EINVAL");
  assert.equal(words(SA), "Kernel was unable to initialize cryptographic operations");
  assert.equal(words({ ...BARE, enc: CBC }), undefined);
  refuse("EPROTONOSUPPORT");
  assert.equal(words({ ...BARE, proto: "ah", auth: SHA1 }), "Requested type not found");
});

Deno.test("newState() passes on what the crypto backend refuses", () => {
  const { user, sent, refuse } = setUpXfrm();
  refuse("EINVAL");
  assert.equal(errnoOf(user.newState(SA)), "EINVAL aead");
  refuse("ENOSYS");
  assert.equal(errnoOf(user.newState({ ...BARE, enc: CBC })), "ENOSYS enc");
  assert.equal(sent.length, 0);
});
