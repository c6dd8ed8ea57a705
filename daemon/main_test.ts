import assert from "node:assert/strict";
import { daemon } from "./main.ts";

Deno.test("daemon() says which words there are", async () => {
  const { error } = console;
  const said: unknown[] = [];
  console.error = (line: string) => said.push(line);
  try {
    assert.equal(await daemon(["runn"]), 1);
    assert.equal(await daemon(["run", "runn"]), 1);
    assert.equal(await daemon(["--wrong"]), 1);
  } finally {
    console.error = error;
  }
  assert.match(String(said[0]), /^Cannot run "runn": expected one of run, stop, demo, doctor, token, link, /);
  assert.match(String(said[1]), /'runn'/);
  assert.match(String(said[2]), /'--wrong'/);
});
