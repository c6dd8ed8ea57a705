/**
 * The C library: the only place that opens it, and the types of every call that ffi/ makes.
 *
 * What a call costs beyond the callee (x86-64, Deno 2.9, optimised): 3 to 4 ns with `pointer` and 32-bit arguments,
 * 13 ns when one is a `buffer`, 94 ns and a heap object when a `usize` is given a Number. So the hot functions take
 * `pointer`, `i32` and `u32` only.
 *
 * `read` and `write` have a size_t where `u32` is declared here. Neither the ABI nor the trampoline promises that the
 * upper half of the register is clear. It is, when the value comes from 32-bit arithmetic, a small integer or an
 * element of an Int32Array: both processors clear it on every 32-bit write (libc_test.ts has the proof). Never pass a
 * length that came out of a BigInt. The vector forms (writev, sendmmsg) hold their lengths in memory and have no such
 * limit. Results are `i32`: no call here moves 2 GiB at once.
 */

const symbols = {
  // Hot. Pointers and 32-bit numbers only.
  read: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  write: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  writev: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  sendmsg: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  sendmmsg: { parameters: ["i32", "pointer", "u32", "i32"], result: "i32" },
  recvmmsg: { parameters: ["i32", "pointer", "u32", "i32", "pointer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "pointer", "i32", "i32"], result: "i32" },
  nanosleep: { parameters: ["pointer", "pointer"], result: "i32" },
  // 24 ns for 1440 bytes; set(subarray) takes 35 and makes an object.
  memcpy: { parameters: ["pointer", "pointer", "u32"], result: "void" },
  __errno_location: { parameters: [], result: "pointer" },

  // Cold. `buffer` so that callers need no pointers; sizes as usize.
  readBuffer: { name: "read", parameters: ["i32", "buffer", "usize"], result: "i32" },
  writeBuffer: { name: "write", parameters: ["i32", "buffer", "usize"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  // On a thread of Deno's pool, whose errno nobody can read.
  closeAside: { name: "close", parameters: ["i32"], result: "i32", nonblocking: true },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  // Answers an errno, and leaves errno itself alone.
  posix_fallocate: { parameters: ["i32", "i64", "i64"], result: "i32" },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
  // The kernel's command is an unsigned int, whatever the C prototype says.
  ioctl: { parameters: ["i32", "u32", "buffer"], result: "i32" },
  ioctlValue: { name: "ioctl", parameters: ["i32", "u32", "u64"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  inotify_init1: { parameters: ["i32"], result: "i32" },
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  unshare: { parameters: ["i32"], result: "i32" },
  mount: { parameters: ["buffer", "buffer", "buffer", "u64", "pointer"], result: "i32" },
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
  // sighandler_t as a number: SIG_DFL is 0, SIG_IGN 1.
  signal: { parameters: ["i32", "usize"], result: "pointer" },
  sched_setscheduler: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  capset: { parameters: ["buffer", "buffer"], result: "i32" },
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
  opendir: { parameters: ["buffer"], result: "pointer" },
  readdir: { parameters: ["pointer"], result: "pointer" },
  closedir: { parameters: ["pointer"], result: "i32" },
  _exit: { parameters: ["i32"], result: "void" },
} as const;

function load(): Deno.DynamicLibrary<typeof symbols>["symbols"] {
  if (Deno.build.os !== "linux" || (Deno.build.arch !== "x86_64" && Deno.build.arch !== "aarch64")) {
    throw new Error(`Load the C library: Linux on x86-64 or arm64 is needed, this is ${Deno.build.target}`);
  }
  try {
    return Deno.dlopen("libc.so.6", symbols).symbols;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable || cause instanceof Deno.errors.PermissionDenied) throw cause;
    throw new Error("Load the C library: libc.so.6 is missing; use a system with the GNU C library", {
      cause,
    });
  }
}

/** The calls, by their C names. They answer -1 and set errno on failure (errno.ts). */
export const libc = load();

const encoder = new TextEncoder();

/** `text` as a C string. Throws TypeError when it holds a NUL, which C would take for its end. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`Make a C string: NUL inside ${JSON.stringify(text)}`);
  return encoder.encode(`${text}\0`);
}

/** Bytes up to the first NUL, as text. */
export function fromCString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
