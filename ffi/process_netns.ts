/** Which network namespaces processes live in. */
import { check, errno, SyscallError } from "./errno.ts";
import { cString, fromCString, libc } from "./libc.ts";

/** d_name of struct dirent, behind inode (8), offset (8), length (2) and type (1). */
const DIRENT_NAME = 19;
/** "net:[4026531840]" and room to spare. */
const LINK_BYTES = 64;

/** Inodes of the namespaces. A process that has just ended, or that may not be looked at, is left out. */
export function livedInNetns(): Set<number> {
  const inodes = new Set<number>();
  for (const pid of processIds()) {
    const link = new Uint8Array(LINK_BYTES);
    const length = libc.readlink(cString(`/proc/${pid}/ns/net`), link, BigInt(LINK_BYTES - 1));
    if (length < 0) continue;
    const inode = /^net:\[(\d+)\]$/.exec(fromCString(link));
    if (inode !== null) inodes.add(Number(inode[1]));
  }
  return inodes;
}

/** By the C library, because Deno lists /proc only under --allow-all. */
function* processIds(): Generator<string> {
  const action = "List processes";
  const directory = libc.opendir(cString("/proc"));
  if (directory === null) throw new SyscallError(action, "opendir", errno());
  try {
    for (;;) {
      const entry = libc.readdir(directory);
      if (entry === null) return;
      const name = new Deno.UnsafePointerView(entry).getCString(DIRENT_NAME);
      if (/^\d+$/.test(name)) yield name;
    }
  } finally {
    check(libc.closedir(directory), action, "closedir");
  }
}
