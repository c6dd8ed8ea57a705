/** SECURITY.md names a test for each claim: they are there. */
import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);

Deno.test("every test that SECURITY.md names is there, and every row of a claim names one", async () => {
  const text = await Deno.readTextFile(new URL("SECURITY.md", ROOT));
  const rows = text.split("\n").filter((line) => line.startsWith("|") && !/^\| (claim|---)/.test(line));
  assert.ok(rows.length >= 20, `${rows.length} claims`);
  for (const row of rows) {
    const paths = [...row.split("|").at(-2)!.matchAll(/`([^`]+\.ts)`/g)].map(([, path]) => path!);
    assert.ok(paths.length > 0, `no test for: ${row}`);
    for (const path of paths) assert.ok((await Deno.stat(new URL(path, ROOT))).isFile, path);
  }
});
