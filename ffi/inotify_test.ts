import assert from "node:assert/strict";
import { SyscallError } from "./errno.ts";
import { openInotify, readInotify } from "./inotify.ts";
import { close } from "./io.ts";

Deno.test("readInotify() tells what was written to the files of a folder", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/a`, "");
  const fd = openInotify(folder);
  try {
    assert.deepEqual(readInotify(fd), new Set());
    await Deno.writeTextFile(`${folder}/a`, "x", { append: true });
    await Deno.writeTextFile(`${folder}/a longer name`, "x");
    assert.deepEqual(readInotify(fd), new Set(["a", "a longer name"]));
    assert.deepEqual(readInotify(fd), new Set());
  } finally {
    close(fd);
    await Deno.remove(folder, { recursive: true });
  }
  assert.throws(() => openInotify(folder), SyscallError);
});
