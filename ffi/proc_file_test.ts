import assert from "node:assert/strict";
import { SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { cString, libc } from "./libc.ts";
import { hasProcFile, openProcFile, readProcFile, rereadProcFile, statDescriptor } from "./proc_file.ts";

Deno.test("readProcFile() reads short and long files of /proc, and says what it can't", () => {
  assert.match(readProcFile("/proc/sys/kernel/random/boot_id"), /^[0-9a-f-]{36}\n$/);
  const maps = readProcFile("/proc/self/maps");
  assert.ok(maps.length > 4096);
  assert.match(maps, /libc\.so\.6\n/);
  assert.throws(() => readProcFile("/proc/none"), SyscallError);
});

Deno.test("rereadProcFile() says what is there now", async () => {
  const path = await Deno.makeTempFile();
  const fd = openProcFile(path);
  try {
    for (const text of ["one", "three"]) {
      await Deno.writeTextFile(path, text);
      assert.equal(rereadProcFile(fd), text);
    }
  } finally {
    close(fd);
    await Deno.remove(path);
  }
  assert.equal(openProcFile(path), -1);
});

Deno.test("statDescriptor() says what Deno.stat() says", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "twelve bytes");
    for (const [name, isFile] of [[path, true], ["/", false]] as const) {
      const fd = libc.open(cString(name), 0, 0);
      const { ino, uid, size } = await Deno.stat(name);
      assert.deepEqual(statDescriptor(fd), { inode: ino, uid, size, isFile });
      close(fd);
    }
  } finally {
    await Deno.remove(path);
  }
  assert.throws(() => statDescriptor(-1), SyscallError);
});

Deno.test("hasProcFile() knows files and folders", () => {
  assert.deepEqual(["/proc/self/status", "/sys/module", "/sys/none"].map(hasProcFile), [true, true, false]);
});
