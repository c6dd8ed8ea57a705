import assert from "node:assert/strict";
import fc from "fast-check";
import { SCOPES } from "./caller.ts";
import { formatTokens, hash, newToken, parseTokens, tokenLookup, writePrivateFile } from "./tokens.ts";

async function inTempDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "vti-gateway-tokens-" });
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function setUp(dir: string) {
  const logged: string[] = [];
  const files = { token: `${dir}/token`, tokens: `${dir}/tokens` };
  return { ...files, logged, find: tokenLookup(files, (line) => logged.push(line)) };
}

Deno.test("newToken() makes 256 bits in letters that need no quotes", () => {
  assert.match(newToken(), /^[\w-]{43}$/);
  assert.notEqual(newToken(), newToken());
});

Deno.test("writePrivateFile() leaves a file that only its owner reads, whatever was there", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/token`;
    await Deno.writeTextFile(`${dir}/elsewhere`, "kept", { mode: 0o644 });
    await Deno.symlink(`${dir}/elsewhere`, path);
    await writePrivateFile(path, "new\n");
    assert.equal((await Deno.lstat(path)).mode! & 0o777, 0o600);
    assert.equal(await Deno.readTextFile(path), "new\n");
    assert.equal(await Deno.readTextFile(`${dir}/elsewhere`), "kept");
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), ["elsewhere", "token"]);
  }));

Deno.test("tokenLookup() finds the daemon's own token and those of the file, with their scopes", () =>
  inTempDir(async (dir) => {
    const { token, tokens, find } = setUp(dir);
    assert.equal(find("anything"), null, "no file, no token");
    await writePrivateFile(token, "own-token\n");
    await writePrivateFile(tokens, `# people\n\ngrafana read ${hash("g").toHex()}\n`);
    assert.deepEqual(find("own-token"), { name: "token", scopes: new Set(SCOPES) });
    assert.deepEqual(find("g"), { name: "grafana", scopes: new Set(["read"]) });
    for (const wrong of ["", "own", "own-tokenx", "token", hash("g").toHex()]) {
      assert.equal(find(wrong), null);
    }
  }));

Deno.test("tokenLookup() takes a changed file at once, and drops what it no longer has", () =>
  inTempDir(async (dir) => {
    const { token, tokens, find, logged } = setUp(dir);
    await writePrivateFile(token, "first\n");
    assert.ok(find("first"));
    await writePrivateFile(token, "other\n");
    assert.deepEqual([find("first"), find("other")?.name], [null, "token"]);
    await writePrivateFile(tokens, `a read ${hash("a").toHex()}\n`);
    assert.ok(find("a"));
    await Deno.remove(tokens);
    assert.equal(find("a"), null);
    assert.deepEqual(logged, []);
  }));

Deno.test("tokenLookup() uses nothing of a file that is damaged or that others can write, and says so once", () =>
  inTempDir(async (dir) => {
    const { tokens, find, logged } = setUp(dir);
    const good = `a read ${hash("a").toHex()}\n`;
    for (
      const [text, mode, why] of [
        [`${good}b read,admin ${hash("b").toHex()}\n`, 0o600, /line 2 is not/],
        [`${good}b read ${hash("b").toHex()} more\n`, 0o600, /line 2 is not/],
        [`${good}b read 12\n`, 0o600, /line 2 is not/],
        [good, 0o620, /others than its owner/],
        [good, 0o602, /others than its owner/],
      ] as const
    ) {
      await writePrivateFile(tokens, text);
      await Deno.chmod(tokens, mode);
      assert.equal(find("a"), null);
      assert.equal(find("a"), null);
      assert.equal(logged.length, 1);
      assert.match(logged.pop()!, why);
    }
  }));

Deno.test("parseTokens() reads what formatTokens() writes", () => {
  const line = fc.record({
    name: fc.stringMatching(/^[\w.-]{1,20}$/),
    scopes: fc.subarray([...SCOPES], { minLength: 1 }),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  });
  fc.assert(fc.property(fc.array(line), (lines) => {
    const read = parseTokens(formatTokens(lines));
    assert.deepEqual(
      read.map((l) => ({ ...l, hash: l.hash.toHex() })),
      lines.map((l) => ({ ...l, hash: l.hash.toHex() })),
    );
  }));
});
