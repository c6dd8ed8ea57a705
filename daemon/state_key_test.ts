import assert from "node:assert/strict";
import { readStateKey } from "./state_key.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const NAMES = ["VTI_GATEWAY_STATE_KEY_FILE", "CREDENTIALS_DIRECTORY", "VTI_GATEWAY_STATE_KEY"] as const;

/** Runs `test` with these variables and no other of NAMES. */
function withVariables(variables: Partial<Record<typeof NAMES[number], string>>, test: () => void): void {
  const before = NAMES.map((name) => [name, Deno.env.get(name)] as const);
  try {
    for (const name of NAMES) Deno.env.delete(name);
    for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
    test();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

Deno.test("readStateKey() takes the file, else the credential, else the variable, which it removes", () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.writeFileSync(`${dir}/raw`, KEY);
    Deno.writeTextFileSync(`${dir}/state-key`, `${KEY.map((byte) => byte ^ 1).toHex()}\n`);
    const all = {
      VTI_GATEWAY_STATE_KEY_FILE: `${dir}/raw`,
      CREDENTIALS_DIRECTORY: dir,
      VTI_GATEWAY_STATE_KEY: KEY.map((byte) => byte ^ 2).toHex().toUpperCase(),
    };
    withVariables(all, () => assert.deepEqual(readStateKey(), KEY));
    const { VTI_GATEWAY_STATE_KEY_FILE: _file, ...two } = all;
    withVariables(two, () => assert.deepEqual(readStateKey(), KEY.map((byte) => byte ^ 1)));
    withVariables({ ...two, CREDENTIALS_DIRECTORY: `${dir}/none` }, () => {
      assert.deepEqual(readStateKey(), KEY.map((byte) => byte ^ 2));
      assert.equal(Deno.env.get("VTI_GATEWAY_STATE_KEY"), undefined);
    });
    withVariables({}, () => assert.equal(readStateKey(), null));
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("readStateKey() says what is wrong and nothing of the key", () => {
  const wrong = ["", KEY.toHex().slice(1), `${KEY.toHex()}00`, "secret passphrase that is no key"];
  for (const text of wrong) {
    const expected = {
      message: "Cannot read the state key in VTI_GATEWAY_STATE_KEY: expected 64 hex digits",
    };
    withVariables({ VTI_GATEWAY_STATE_KEY: text }, () => assert.throws(readStateKey, expected));
  }
  const file = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(file, "short");
    const expected = { message: `Cannot read the state key in ${file}: expected 32 bytes, or 64 hex digits` };
    withVariables({ VTI_GATEWAY_STATE_KEY_FILE: file }, () => assert.throws(readStateKey, expected));
  } finally {
    Deno.removeSync(file);
  }
  const missing = { message: "Cannot read the state key in /nowhere/key: no such file" };
  withVariables({ VTI_GATEWAY_STATE_KEY_FILE: "/nowhere/key" }, () => assert.throws(readStateKey, missing));
});
