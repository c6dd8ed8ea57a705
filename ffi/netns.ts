/**
 * Network namespaces: opening, entering, making and deleting them as `ip netns` does.
 *
 * A namespace belongs to a thread and a worker is a thread, so nothing here may await between entering and leaving.
 */
import { check, EBUSY, EEXIST, EINVAL, ENOENT, EPERM, errno, SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { cString, libc } from "./libc.ts";
import { statDescriptor } from "./proc_file.ts";

/** Where `ip netns` keeps one bind mount per named namespace. */
export const NETNS_DIR = "/run/netns";

const O_RDONLY = 0;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;
const MS_BIND = 0x1000n;
const MS_REC = 0x4000n;
const MS_SHARED = 0x100000n;
const MNT_DETACH = 2;
/** EX_SOFTWARE of sysexits.h: the thread is in a namespace that nobody asked for. */
const EXIT_WRONG_NETNS = 70;

const NEEDS_ADMIN = { [EPERM]: "run as root or with CAP_SYS_ADMIN" };

/**
 * Opens a namespace: a name under /run/netns, "pid:N", or "self" (the process's own, not the calling thread's).
 * Returns a descriptor that the caller closes. Throws SyscallError: ENOENT when there is none of that name.
 */
export function openNetns(ref: string): number {
  const path = netnsPath(ref);
  return check(libc.open(cString(path), O_RDONLY | O_CLOEXEC, 0), `Open network namespace "${ref}"`, "open", {
    ...NEEDS_ADMIN,
    [ENOENT]: ref.startsWith("pid:")
      ? "no such process"
      : `no such namespace; make it with: ip netns add ${ref}`,
  });
}

/** Inode of a namespace, by descriptor or reference: equal inodes are the same namespace. Throws SyscallError. */
export function netnsInode(namespace: number | string): number {
  if (typeof namespace === "string") {
    const fd = openNetns(namespace);
    try {
      return netnsInode(fd);
    } finally {
      close(fd);
    }
  }
  return statDescriptor(namespace).inode;
}

/**
 * Runs `fn` with the calling thread inside the namespace of `fd` and returns what it returns. `fn` must be
 * synchronous. The thread is back in its own namespace afterwards, whatever `fn` threw; where it can't be brought
 * back, the process ends: it would do its further work in the wrong place.
 */
export function withNetns<T>(fd: number, fn: () => T): T {
  const home = openOwn();
  try {
    check(libc.setns(fd, CLONE_NEWNET), "Enter a network namespace", "setns", NEEDS_ADMIN);
    try {
      return fn();
    } finally {
      goHome(home);
    }
  } finally {
    close(home);
  }
}

/**
 * Makes a namespace with a name, as `ip netns add`: its loopback device stays down. Throws SyscallError: EEXIST when
 * the name is taken, EINVAL for a name that is no file name.
 */
export function createNetns(name: string): void {
  const action = `Make network namespace "${name}"`;
  const path = namedPath(name, action);
  shareNetnsDir(action);
  const file = check(libc.open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0), action, "open", {
    [EEXIST]: "the name is taken",
  });
  close(file);
  const home = openOwn();
  try {
    check(libc.unshare(CLONE_NEWNET), action, "unshare", NEEDS_ADMIN);
    try {
      const own = cString("/proc/thread-self/ns/net");
      check(libc.mount(own, path, cString("none"), MS_BIND, null), action, "mount", NEEDS_ADMIN);
    } finally {
      goHome(home);
    }
  } catch (error) {
    libc.unlink(path);
    throw error;
  } finally {
    close(home);
  }
}

/** Deletes a name, as `ip netns delete`; the namespace lives on while somebody uses it. Throws SyscallError. */
export function deleteNetns(name: string): void {
  const action = `Delete network namespace "${name}"`;
  const path = namedPath(name, action);
  // EINVAL: not a mount point, as after an `ip netns add` that was interrupted. The file still goes.
  if (libc.umount2(path, MNT_DETACH) < 0 && errno() !== EINVAL) {
    throw new SyscallError(action, "umount2", errno(), { ...NEEDS_ADMIN, [ENOENT]: "no such namespace" });
  }
  check(libc.unlink(path), action, "unlink", {
    [ENOENT]: "no such namespace",
    [EBUSY]: "it is still mounted",
  });
}

/** Names under /run/netns, sorted. */
export function listNetns(): string[] {
  try {
    return Array.from(Deno.readDirSync(NETNS_DIR), (entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function netnsPath(ref: string): string {
  if (ref === "self") return "/proc/self/ns/net";
  const pid = /^pid:([1-9]\d{0,9})$/.exec(ref);
  if (pid !== null) return `/proc/${pid[1]}/ns/net`;
  checkName(ref, `Open network namespace "${ref}"`);
  return `${NETNS_DIR}/${ref}`;
}

function namedPath(name: string, action: string): Uint8Array<ArrayBuffer> {
  checkName(name, action);
  return cString(`${NETNS_DIR}/${name}`);
}

/** The rule of iproute2: a file name, not a path. */
function checkName(name: string, action: string): void {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name) || name.length > 255) {
    throw new SyscallError(action, "open", EINVAL, { [EINVAL]: "the name must be a file name" });
  }
}

function openOwn(): number {
  const path = cString("/proc/thread-self/ns/net");
  return check(libc.open(path, O_RDONLY | O_CLOEXEC, 0), "Open the thread's network namespace", "open");
}

function goHome(home: number): void {
  if (libc.setns(home, CLONE_NEWNET) === 0) return;
  console.error(`Leave a network namespace: setns failed with errno ${errno()}, the process ends`);
  // Deno.exit() would end a worker only.
  libc._exit(EXIT_WRONG_NETNS);
}

/**
 * Makes /run/netns a shared mount, so that names made here appear in other mount namespaces and the other way round.
 * 1. Make the directory.
 * 2. Ask for sharing; EINVAL means that it is no mount point yet.
 * 3. Then mount it onto itself and ask again.
 */
function shareNetnsDir(action: string): void {
  const dir = cString(NETNS_DIR);
  if (libc.mkdir(dir, 0o755) < 0 && errno() !== EEXIST) check(-1, action, "mkdir");
  const none = cString("none");
  if (libc.mount(cString(""), dir, none, MS_SHARED | MS_REC, null) === 0) return;
  if (errno() !== EINVAL) check(-1, action, "mount", NEEDS_ADMIN);
  check(libc.mount(dir, dir, none, MS_BIND | MS_REC, null), action, "mount", NEEDS_ADMIN);
  check(libc.mount(cString(""), dir, none, MS_SHARED | MS_REC, null), action, "mount", NEEDS_ADMIN);
}
