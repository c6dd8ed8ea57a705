import assert from "node:assert/strict";
import { Inotify } from "./inotify.ts";

Deno.test("Inotify tells what is written to the files of a folder, until it is no longer watched", async () => {
  const folder = await Deno.makeTempDir();
  const inotify = new Inotify();
  try {
    await Deno.writeTextFile(`${folder}/a`, "");
    const watch = inotify.watch(folder);
    assert.deepEqual(inotify.read(), []);
    await Deno.writeTextFile(`${folder}/a`, "x", { append: true });
    await Deno.writeTextFile(`${folder}/a longer name`, "x");
    assert.deepEqual(inotify.read(), [{ watch, name: "a" }, { watch, name: "a longer name" }]);
    inotify.unwatch(watch);
    inotify.read();
    await Deno.writeTextFile(`${folder}/a`, "y");
    assert.deepEqual(inotify.read(), []);
  } finally {
    inotify.close();
    await Deno.remove(folder, { recursive: true });
  }
});
