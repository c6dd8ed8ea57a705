import assert from "node:assert/strict";
import { hash, parseTokens } from "../api/tokens.ts";
import { token } from "./token.ts";

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function inStateDir(body: (say: (words: string) => Promise<Said>, file: string) => Promise<void>) {
  const dir = await Deno.makeTempDir({ prefix: "vti-gateway-token-" });
  const { log, error } = console;
  async function say(words: string): Promise<Said> {
    const [out, err]: string[][] = [[], []];
    console.log = (text) => out.push(text);
    console.error = (text) => err.push(text);
    try {
      const code = await token([...words.split(" "), "--state-dir", `${dir}/state`]);
      return { code, out: out.join("\n"), err: err.join("\n") };
    } finally {
      Object.assign(console, { log, error });
    }
  }
  try {
    await body(say, `${dir}/state/tokens`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("token add prints a token and keeps only its hash, where only the owner reads", () =>
  inStateDir(async (say, file) => {
    const { code, out } = await say("add grafana read");
    assert.equal(code, 0);
    assert.match(out, /^[\w-]{43}$/);
    const text = await Deno.readTextFile(file);
    assert.ok(!text.includes(out));
    assert.deepEqual(parseTokens(text), [{ name: "grafana", scopes: ["read"], hash: hash(out) }]);
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  }));

Deno.test("token add for a name that has one replaces it; del takes it away; list shows names and scopes", () =>
  inStateDir(async (say, file) => {
    const first = (await say("add a read,write")).out;
    await say("add b keys,read");
    const second = (await say("add a read")).out;
    const hashes = parseTokens(await Deno.readTextFile(file)).map((line) => line.hash.toHex());
    assert.ok(hashes.includes(hash(second).toHex()) && !hashes.includes(hash(first).toHex()));
    assert.equal((await say("list")).out, "b keys,read\na read");
    assert.deepEqual([(await say("del b")).code, (await say("list")).out], [0, "a read"]);
    assert.match((await say("del b")).err, /there is none of that name/);
  }));

Deno.test("token says what is wrong and changes nothing", () =>
  inStateDir(async (say, file) => {
    for (
      const words of [
        "add",
        "add a",
        "add a admin",
        "add a read,",
        "add token read",
        "add a/b read",
        "list a",
      ]
    ) {
      const { code, err } = await say(words);
      assert.deepEqual([code, err.split("\n")[0]!.slice(0, 16)], [1, "Usage: token add"], words);
    }
    await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
    assert.deepEqual(await say("list"), { code: 0, out: "", err: "" });
  }));
