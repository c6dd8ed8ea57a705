import assert from "node:assert/strict";
import { refusal } from "../tests/doubles/api_server.ts";
import { runClient } from "../tests/doubles/run_client.ts";

Deno.test("doNetns() lists, adds and removes namespaces", async () => {
  const info = { name: "blue", inode: 1, links: 0, states: 0, policies: 0 };
  const listed = await runClient(["netns"], () => ({ status: 200, body: [info, { ...info, name: "red" }] }));
  assert.equal(listed.stdout, "blue\nred\n");
  const added = await runClient(["netns", "add", "a b"], () => ({ status: 201, body: info }));
  assert.deepEqual(added.requests, [{ method: "PUT", path: "/v1/netns/a b", body: undefined }]);
  const removed = await runClient(["netns", "del", "blue"], () => ({ status: 204, body: null }));
  assert.deepEqual(removed.requests, [{ method: "DELETE", path: "/v1/netns/blue", body: undefined }]);
});

Deno.test("doNetns() names the file when the daemon refuses", async () => {
  const gone = await runClient(
    ["netns", "del", "blue"],
    () => refusal("ENOENT", "No such file or directory"),
  );
  assert.equal(gone.exitCode, 1);
  assert.equal(gone.stderr, 'Cannot remove namespace file "/run/netns/blue": No such file or directory\n');
});
