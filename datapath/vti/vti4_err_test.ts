import assert from "node:assert/strict";
import fc from "fast-check";
import { fragNeeded, type Quoted } from "../../tests/doubles/frag_needed.ts";
import { IpTunnelTable } from "../tunnel/ip_tunnel_lookup.ts";
import { type FragNeeded, vti4Err } from "./vti4_err.ts";

const L = "192.0.2.2", R = "192.0.2.1";
const GOOD: Quoted = { src: L, dst: R, spi: 0xf0001234, seq: 0x80000005, mtu: 1300 };
const AT = 20;

function tunnels(up = true): IpTunnelTable {
  const table = new IpTunnelTable();
  const ends = { local: 0xc0000202, remote: 0xc0000201 };
  table.set({ actor: 5, ifindex: 9, ...ends, iKey: 7, oKey: 8, link: 0, up, order: 1 });
  return table;
}

/** What is understood of a message, or null. */
function read(message: Uint8Array, table = tunnels()): FragNeeded | null {
  const bytes = new Uint8Array(AT + message.length);
  bytes.set(message, AT);
  const said: FragNeeded = { mark: 0, saddr: 0, daddr: 0, proto: 0, spi: 0, seq: 0, mtu: 0 };
  return vti4Err(new DataView(bytes.buffer), AT, message.length, 3, table, said) ? said : null;
}

Deno.test("vti4Err() reads tunnel, SA, number and MTU", () => {
  assert.deepEqual(read(fragNeeded(GOOD)), {
    mark: 8,
    saddr: 0xc0000202 | 0,
    daddr: 0xc0000201 | 0,
    proto: 50,
    spi: 0xf0001234 | 0,
    seq: 0x80000005 | 0,
    mtu: 1300,
  });
});

Deno.test("vti4Err() reads ESP in UDP", () => {
  const udp = { sport: 4500, dport: 4500 };
  const said = read(fragNeeded({ ...GOOD, udp }))!;
  assert.deepEqual([said.proto, said.spi, said.seq], [50, GOOD.spi | 0, GOOD.seq | 0]);
  assert.equal(read(fragNeeded({ ...GOOD, udp, bytes: 12 })), null, "SPI without a number");
  assert.equal(read(fragNeeded({ ...GOOD, udp, spi: 0, seq: 0 })), null, "no further than the marker");
});

Deno.test("vti4Err() reads AH and IPComp where they have their SPI", () => {
  const ah = read(fragNeeded({ ...GOOD, proto: 51 }))!;
  assert.deepEqual([ah.proto, ah.spi, ah.seq], [51, GOOD.spi | 0, GOOD.seq | 0]);
  assert.equal(read(fragNeeded({ ...GOOD, proto: 51, bytes: 8 })), null, "8 bytes of AH have no number");
  const comp = read(fragNeeded({ ...GOOD, proto: 108, spi: 0x04000077, seq: 0 }))!;
  assert.deepEqual([comp.proto, comp.spi, comp.seq], [108, 0x77, 0]);
});

const IGNORED: [string, Partial<Quoted>][] = [
  ["another code", { code: 1 }],
  ["a wrong checksum", { badChecksum: true }],
  ["a packet of no tunnel", { dst: "192.0.2.9" }],
  ["a packet the other way round", { src: R, dst: L }],
  ["another protocol", { proto: 4 }],
  ["too little quoted", { bytes: 7 }],
];
for (const [what, change] of IGNORED) {
  Deno.test(`vti4Err() ignores ${what}`, () => assert.equal(read(fragNeeded({ ...GOOD, ...change })), null));
}

Deno.test("vti4Err() ignores tunnels that are down", () => {
  assert.equal(read(fragNeeded(GOOD), tunnels(false)), null);
});

Deno.test("vti4Err() answers any bytes", () => {
  const message = fragNeeded(GOOD);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void read(bytes)));
  const change = fc.tuple(fc.nat(message.length - 1), fc.nat(255));
  fc.assert(fc.property(fc.array(change, { maxLength: 6 }), fc.nat(message.length), (changes, length) => {
    const bytes = message.slice(0, length);
    for (const [at, value] of changes) if (at < length) bytes[at] = value;
    read(bytes);
  }));
});
