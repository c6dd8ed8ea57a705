import assert from "node:assert/strict";
import { ipsecMbBackend } from "./aead_ipsec_mb.ts";
import { libcryptoBackend } from "./aead_libcrypto.ts";
import { selectBackend } from "./crypto_backend.ts";

const GCM = {
  aead: { name: "rfc4106(gcm(aes))", key: new Uint8Array(20), icvBits: 128 },
  esn: false,
  direction: "out",
} as const;
const CBC = {
  enc: { name: "cbc(aes)", key: new Uint8Array(16) },
  auth: { name: "hmac(sha256)", key: new Uint8Array(32), truncBits: 128 },
  esn: false,
  direction: "out",
} as const;

Deno.test("selectBackend(auto) takes the fastest library of this host without a warning", () => {
  const fastest = ipsecMbBackend()?.name ?? libcryptoBackend()?.name ?? "noble";
  const selected = selectBackend("auto");
  assert.equal(selected.name, fastest);
  assert.equal(selected.warning === null, fastest !== "noble");
});

Deno.test("selectBackend(noble) needs no library and gives no warning", () => {
  const selected = selectBackend("noble");
  assert.equal(selected.name, "noble");
  assert.equal(selected.warning, null);
  assert.ok(!("errno" in selected.create(GCM)));
});

Deno.test({
  name: "selectBackend(ipsec-mb) leaves what that library lacks to libcrypto",
  ignore: ipsecMbBackend() === null,
  fn() {
    const selected = selectBackend("ipsec-mb");
    assert.equal(selected.name, "ipsec-mb");
    assert.ok(!("errno" in selected.create(GCM)));
    assert.ok(!("errno" in selected.create(CBC)));
    const bad = selected.create({ ...CBC, enc: { name: "cbc(aes)", key: new Uint8Array(3) } });
    assert.equal("errno" in bad && bad.errno, "EINVAL");
  },
});

/** What selectBackend() answers in a process of its own where dlopen fails for the libraries named. */
async function selectWithout(libraries: string[], choice: string): Promise<{ name?: string; text: string }> {
  const code = `
    const real = Deno.dlopen;
    Deno.dlopen = (name, symbols) => {
      if (${JSON.stringify(libraries)}.includes(name)) throw new Error("cannot open shared object file");
      return real(name, symbols);
    };
    const { selectBackend } = await import(${JSON.stringify(import.meta.resolve("./crypto_backend.ts"))});
    try {
      const { name, warning, create } = selectBackend(${JSON.stringify(choice)});
      const made = create({ enc: { name: "cbc(aes)", key: new Uint8Array(16) }, esn: false, direction: "out" });
      if ("errno" in made) throw new Error(made.message);
      console.log(JSON.stringify({ name, text: warning ?? "" }));
    } catch (error) {
      console.log(JSON.stringify({ text: error.message }));
    }`;
  const config = new URL("../deno.json", import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", config, code],
  }).output();
  const decoder = new TextDecoder();
  assert.ok(stdout.length > 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}

const MB = "libIPSec_MB.so.1", LIBCRYPTO = "libcrypto.so.3";

Deno.test("selectBackend(auto) falls back from library to library, to JavaScript with a warning", async () => {
  assert.deepEqual(await selectWithout([MB], "auto"), { name: "libcrypto", text: "" });
  const last = await selectWithout([MB, LIBCRYPTO], "auto");
  assert.equal(last.name, "noble");
  assert.match(last.text, /^Choose crypto library: .*apt-get install libssl3$/);
});

Deno.test("selectBackend() of a missing library says how to get it", async () => {
  const mb = await selectWithout([MB], "ipsec-mb"), lc = await selectWithout([LIBCRYPTO], "libcrypto");
  assert.equal(mb.name, undefined);
  assert.match(mb.text, /^Choose crypto library "ipsec-mb": .*apt-get install libipsec-mb1/);
  assert.equal(lc.name, undefined);
  assert.match(lc.text, /^Choose crypto library "libcrypto": .*apt-get install libssl3/);
});
