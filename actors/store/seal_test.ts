import assert from "node:assert/strict";
import fc from "fast-check";
import { isSealed, seal, SEAL_KEY_BYTES, unseal } from "./seal.ts";

const bytes = fc.uint8Array({ maxLength: 200 });
const key = fc.uint8Array({ minLength: SEAL_KEY_BYTES, maxLength: SEAL_KEY_BYTES });

Deno.test("unseal() opens what seal() made, and nothing that was changed or belongs to another", () => {
  fc.assert(
    fc.property(bytes, key, fc.nat(), fc.integer({ min: 1, max: 255 }), (secret, key, at, flip) => {
      const sealed = seal(secret, "a", key);
      assert.ok(isSealed(sealed));
      assert.deepEqual(unseal(sealed, "a", key), new Uint8Array(secret));
      assert.equal(unseal(sealed, "b", key), null);
      assert.equal(unseal(sealed, "a", null), null);
      assert.equal(unseal(sealed, "a", key.map((byte) => byte ^ flip)), null);
      sealed[at % sealed.length]! ^= flip;
      assert.equal(unseal(sealed, "a", key), null);
    }),
  );
});

Deno.test("seal() without a key keeps the bytes, with a key never the same twice", () => {
  const secret = Uint8Array.of(1, 2, 3);
  assert.deepEqual([...seal(secret, "a", null)], [0, 1, 2, 3]);
  assert.deepEqual(unseal(seal(secret, "a", null), "b", null), secret);
  assert.deepEqual(unseal(new Uint8Array(), "a", null), new Uint8Array());
  const key = new Uint8Array(SEAL_KEY_BYTES);
  assert.notDeepEqual(seal(secret, "a", key), seal(secret, "a", key));
  assert.equal(unseal(Uint8Array.of(1, 2), "a", key), null);
});
