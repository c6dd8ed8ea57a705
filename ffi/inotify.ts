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

export interface Written {
  /** As watch() returned it. */
  readonly watch: number;
  /** The file's name in its folder. */
  readonly name: string;
}

export class Inotify {
  readonly #fd: number;

  /** Throws SyscallError: EMFILE when the user has no instance left. */
  constructor() {
    this.#fd = check(libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "Watch files", "inotify_init1");
  }

  /** Watches a folder's files, as the calling thread's namespaces have them, for writes. Throws SyscallError. */
  watch(folder: string): number {
    const action = `Watch ${folder}`;
    return check(libc.inotify_add_watch(this.#fd, cString(folder), IN_MODIFY), action, "inotify_add_watch");
  }

  /** Nothing is told of a folder that is gone already. */
  unwatch(watch: number): void {
    libc.inotify_rm_watch(this.#fd, watch);
  }

  /** What was written since the last call; the same twice is told twice. */
  read(): Written[] {
    const written: Written[] = [];
    const bytes = new Uint8Array(READ_BYTES);
    const view = new DataView(bytes.buffer);
    for (;;) {
      const n = libc.readBuffer(this.#fd, bytes, BigInt(READ_BYTES));
      if (n < 0 && errno() !== EAGAIN) check(n, "Read what was written", "read");
      if (n <= 0) return written;
      for (let at = 0; at + EVENT_BYTES <= n;) {
        const end = at + EVENT_BYTES + view.getUint32(at + EVENT_LEN, true);
        const name = fromCString(bytes.subarray(at + EVENT_BYTES, end));
        written.push({ watch: view.getInt32(at, true), name });
        at = end;
      }
    }
  }

  close(): void {
    close(this.#fd);
  }
}
