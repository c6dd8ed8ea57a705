import assert from "node:assert/strict";
import { createNetns, deleteNetns, netnsInode } from "./netns.ts";
import { livedInNetns } from "./process_netns.ts";

Deno.test("livedInNetns() has this process's namespace, and another while a process is in it", async () => {
  assert.ok(livedInNetns().has(netnsInode("self")));
  const name = `vtt${Deno.pid}p`;
  createNetns(name);
  try {
    const inode = netnsInode(name);
    assert.ok(!livedInNetns().has(inode));
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", name, "sh", "-c", "echo here; read line"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    assert.ok(livedInNetns().has(inode));
    await child.stdin.close();
    await reader.cancel();
    await child.status;
    assert.ok(!livedInNetns().has(inode));
  } finally {
    deleteNetns(name);
  }
});
