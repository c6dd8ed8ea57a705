import assert from "node:assert/strict";
import { SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { cString, libc } from "./libc.ts";
import { hasProcFile, readProcFile, statDescriptor } from "./proc_file.ts";

Deno.test("readProcFile() reads short and long files of /proc, and says what it can't", () => {
  assert.match(readProcFile("/proc/sys/kernel/random/boot_id"), /^[0-9a-f-]{36}\n$/);
  const maps = readProcFile("/proc/self/maps");
  assert.ok(maps.length > 4096);
  assert.match(maps, /libc\.so\.6\n/);
  assert.throws(() => readProcFile("/proc/none"), SyscallError);
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
