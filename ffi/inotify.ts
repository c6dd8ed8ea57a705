/** What is written to files of /proc/sys, told by inotify: rtnetlink says nothing of it. */
import { check, EAGAIN, errno } from "./errno.ts";
import { close } from "./io.ts";
import { cString, fromCString, libc } from "./libc.ts";

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
const IN_MODIFY = 2;
/** struct inotify_event: wd, mask, cookie, len (4 each), name. */
const EVENT_BYTES = 16;
const EVENT_LEN = 12;
const READ_BYTES = 16_384;

/**
 * A descriptor that is readable when something was written to a file of `folder`, as the calling thread's namespaces
 * have it. Throws SyscallError: EMFILE when the user has no instance left (fs.inotify.max_user_instances).
 */
export function openInotify(folder: string): number {
  const action = `Watch ${folder}`;
  const fd = check(libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC), action, "inotify_init1");
  try {
    check(libc.inotify_add_watch(fd, cString(folder), IN_MODIFY), action, "inotify_add_watch");
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Names of the files that were written to since the last call. Throws SyscallError. */
export function readInotify(fd: number): Set<string> {
  const written = new Set<string>();
  const bytes = new Uint8Array(READ_BYTES);
  const view = new DataView(bytes.buffer);
  for (;;) {
    const n = libc.readBuffer(fd, bytes, BigInt(READ_BYTES));
    if (n < 0 && errno() !== EAGAIN) check(n, "Read what was written", "read");
    if (n <= 0) return written;
    for (let at = 0; at + EVENT_BYTES <= n;) {
      const end = at + EVENT_BYTES + view.getUint32(at + EVENT_LEN, true);
      written.add(fromCString(bytes.subarray(at + EVENT_BYTES, end)));
      at = end;
    }
  }
}
