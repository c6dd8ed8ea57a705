import assert from "node:assert/strict";
import type { XfrmStateRequest } from "../gateway.ts";
import { BARE, SA } from "../../tests/doubles/xfrm_requests.ts";
import { weaknesses, WeaknessLog } from "./xfrm_weak.ts";

const AES = { name: "cbc(aes)", key: "0x101112131415161718191a1b1c1d1e1f" };
const SHA1 = { name: "hmac(sha1)", key: "0x00" };

Deno.test("weaknesses() has nothing against what is current", () => {
  for (
    const request of [
      SA,
      { ...BARE, enc: AES, auth: SHA1 },
      { ...BARE, enc: { name: "ecb(cipher_null)", key: "" }, auth: { ...SHA1, trunc_bits: 160 } },
      { ...BARE, proto: "ah", auth: SHA1 },
      { ...BARE, proto: "comp", comp: { name: "deflate" } },
    ] as const
  ) assert.deepEqual(weaknesses(request), []);
});

Deno.test("weaknesses() names what is weak, by its own name", () => {
  const said = (request: Partial<XfrmStateRequest>) => weaknesses({ ...BARE, ...request }).join("\n");
  for (const name of ["des", "des3_ede", "cast5", "blowfish"]) {
    assert.match(said({ enc: { name, key: "" }, auth: SHA1 }), new RegExp(`^cbc\\(${name}\\) is weak: .+$`));
  }
  assert.match(said({ proto: "ah", auth: { name: "md5", key: "" } }), /^hmac\(md5\) is weak: MD5 is broken/);
  for (const auth of [undefined, { name: "digest_null", key: "" }]) {
    assert.match(said({ enc: AES, ...(auth && { auth }) }), /^cbc\(aes\) without authentication .+$/);
  }
  assert.match(said({ enc: AES, auth: { ...SHA1, trunc_bits: 64 } }), /^an ICV of 64 bits .+$/);
  assert.match(said({ ...SA, extra_flags: ["oseq-may-wrap"] }), /^oseq-may-wrap has no effect: .+$/);
});

Deno.test("WeaknessLog says each thing once", () => {
  const lines: string[] = [];
  const log = new WeaknessLog((line) => lines.push(line));
  const weak = { ...BARE, enc: { name: "cbc(des)", key: "" } } as const;
  log.note(weak);
  log.note({ ...weak, spi: 0x1002 });
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /0x00001001: cbc\(des\) is weak/);
  assert.match(lines[1]!, /without authentication/);
});
