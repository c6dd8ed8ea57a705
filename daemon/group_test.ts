import assert from "node:assert/strict";
import { giveToGroup, groupId } from "./group.ts";

Deno.test("groupId() reads group(5)", () => {
  const text = "root:x:0:\nvti-gateway-x:x:7:\nvti-gateway:x:990:alice,bob\nbad:x::\n";
  assert.deepEqual(["root", "vti-gateway", "bad", "none", "vti"].map((name) => groupId(text, name)), [
    0,
    990,
    null,
    null,
    null,
  ]);
});

Deno.test("giveToGroup() gives the directory to the group where there is one", async () => {
  const dir = await Deno.makeTempDir({ prefix: "vti-gateway-group-" });
  const logged: string[] = [];
  const log = (line: string) => logged.push(line);
  try {
    await Deno.writeTextFile(`${dir}/group`, `vti-gateway:x:${Deno.gid()}:\n`);
    assert.equal(await giveToGroup(dir, log, `${dir}/group`), Deno.gid());
    assert.equal((await Deno.stat(dir)).gid, Deno.gid());
    assert.equal(await giveToGroup(dir, log, `${dir}/none`), undefined);
    assert.deepEqual(logged, []);
    assert.equal(await giveToGroup(`${dir}/gone`, log, `${dir}/group`), undefined);
    assert.match(logged[0]!, /gone to the group vti-gateway: NotFound/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
