import assert from "node:assert/strict";
import fc from "fast-check";
import {
  NetlinkAttributes,
  netlinkError,
  type NetlinkMessage,
  netlinkMessages,
  NetlinkRequest,
  NLMSGHDR_BYTES,
} from "./netlink_message.ts";
import { parseLink } from "./rtnetlink_link.ts";
import { readNotifications } from "./rtnetlink_monitor.ts";
import { parseRoute } from "./rtnetlink_route.ts";

const messagesOf = (bytes: Uint8Array): NetlinkMessage[] => [...netlinkMessages(bytes)];

Deno.test("NetlinkRequest lays out header, numbers, strings and nests", () => {
  const request = new NetlinkRequest(16, 0x400).u8(1).u8(2).u16(3).u32(4)
    .attrString(3, "vti1")
    .nest(18, (info) => info.attrString(1, "veth").nest(2, (data) => data.attrU32(1, 0xdeadbeef)));
  const [message, ...rest] = messagesOf(request.finish(77));
  assert.equal(rest.length, 0);
  assert.equal(message.type, 16);
  assert.equal(message.flags, 0x401);
  assert.equal(message.sequence, 77);
  assert.equal(message.view.getUint16(message.start + 2, true), 3);
  const attributes = new NetlinkAttributes(message.view, message.start + 8, message.end);
  assert.equal(attributes.string(3), "vti1");
  assert.equal(attributes.nest(18)?.string(1), "veth");
  assert.equal(attributes.nest(18)?.nest(2)?.u32(1), 0xdeadbeef);
  assert.equal(attributes.u32(99), undefined);
  assert.equal(attributes.nest(18)?.nest(2)?.u32(3), undefined);
});

Deno.test("NetlinkRequest grows, and refuses an attribute beyond 16 bits", () => {
  const large = new Uint8Array(20_000).fill(7);
  const bytes = new NetlinkRequest(16, 0).attr(1, large).attrU8(2, 9).finish(1);
  const [message] = messagesOf(bytes);
  const attributes = new NetlinkAttributes(message.view, message.start, message.end);
  assert.deepEqual(attributes.bytes(1), large);
  assert.equal(attributes.u8(2), 9);
  assert.throws(() => new NetlinkRequest(16, 0).attr(1, new Uint8Array(65532)), RangeError);
});

Deno.test("netlinkError() gives errno and the kernel's words", () => {
  const request = new NetlinkRequest(2, 0x200).u32(-17 >>> 0).u32(0).u32(0).u32(0).u32(0).attrString(
    1,
    "No such thing",
  );
  const [message] = messagesOf(request.finish(1));
  assert.deepEqual(netlinkError(message), { errno: 17, text: "No such thing" });
});

/** A well-formed message whose bytes may then be changed. */
const wellFormed = fc.record({
  type: fc.constantFrom(2, 3, 16, 17, 20, 24, 25, 26, 32),
  family: fc.constantFrom(0, 2, 7, 10),
  attributes: fc.array(fc.tuple(fc.nat(64), fc.uint8Array({ maxLength: 40 })), { maxLength: 12 }),
}).map(({ type, family, attributes }) => {
  const request = new NetlinkRequest(type, 0).u8(family).u8(0).u16(1).u32(2).u32(3).u32(4);
  for (const [attribute, value] of attributes) request.attr(attribute, value);
  return request.finish(1).slice();
});
const hostile = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(
    fc.array(wellFormed, { maxLength: 4 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
    fc.nat(400),
  )
    .map(([messages, changes, cut]) => {
      const bytes = Uint8Array.from(messages.flatMap((message) => Array.from(message)));
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      return bytes.subarray(0, Math.min(bytes.length, cut));
    }),
);

Deno.test("the parsers stay inside any bytes and end", () => {
  fc.assert(
    fc.property(hostile, (bytes) => {
      // At an offset of its own, so that a parser that counts from the buffer's start shows.
      const padded = new Uint8Array(bytes.length + 8);
      padded.set(bytes, 4);
      let end = 0;
      for (const message of netlinkMessages(padded.subarray(4, 4 + bytes.length))) {
        assert.ok(message.start >= end + NLMSGHDR_BYTES && message.end >= message.start);
        assert.ok(message.end <= bytes.length);
        end = message.end;
        netlinkError(message);
        parseRoute(message);
        const link = parseLink(message);
        if (link !== null) assert.ok(link.address.length <= bytes.length);
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("readNotifications() takes any bytes", () => {
  const handler = {
    link: () => {},
    linkGone: () => {},
    routesChanged: () => assert.fail("read() calls it, not this"),
  };
  fc.assert(fc.property(hostile, (bytes) => void readNotifications(bytes, handler)), { numRuns: 3000 });
});

Deno.test("parseLink() leaves a bridge's messages about its ports alone", () => {
  const [message] = messagesOf(new NetlinkRequest(17, 0).u8(7).u8(0).u16(1).u32(5).u32(0).u32(0).finish(1));
  assert.equal(parseLink(message), null);
});
