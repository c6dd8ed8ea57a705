/** What a process gives up for good once it has started: dumps of its memory, and rights that it does not use. */
import { check, errno, SyscallError } from "./errno.ts";
import { cString, libc } from "./libc.ts";
import { readProcFile } from "./proc_file.ts";

const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4n;
const RLIMIT_CORE = 4;
const SIGUSR1 = 10;
const SIG_IGN = 1n;
/** Time between two calls that ignore it, milliseconds. */
const AGAIN_MS = 500;
/** struct rlimit: current and maximum, 8 bytes each. */
const RLIMIT_BYTES = 16;

/** CAP_* bits (linux/capability.h), of those that somebody here names. */
export const CAP_BITS = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
} as const;
export type CapName = keyof typeof CAP_BITS;

/** struct __user_cap_header_struct: version, pid (0: the calling thread). */
const CAPABILITY_VERSION_3 = 0x20080522;

/**
 * No core is written when the process dies, and no other process of the same user can read its memory: keys are in
 * it. Throws SyscallError.
 */
export function forbidDumps(): void {
  const action = "Forbid dumps of memory";
  check(libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n), action, "prctl PR_SET_DUMPABLE");
  check(libc.setrlimit(RLIMIT_CORE, new Uint8Array(RLIMIT_BYTES)), action, "setrlimit RLIMIT_CORE");
}

/**
 * SIGUSR1 is ignored from now on: Deno answers it, as Node does, by a debugger on 127.0.0.1:9229, through which every
 * local user could read what the process knows. Deno begins to listen for it, once, a second after the start: so this
 * is said again and again.
 */
export function forbidDebugger(): void {
  const ignore = () => void libc.signal(SIGUSR1, SIG_IGN);
  ignore();
  Deno.unrefTimer(setInterval(ignore, AGAIN_MS));
}

/**
 * Takes all capabilities but `keep` from the calling thread and from the threads and processes that it makes, and the
 * means to get new ones by execve(2). A thread that is there already keeps what it has: Linux has no call for another
 * thread, and Deno starts those of its own before any script; beginAgain() ends them. Throws SyscallError.
 */
export function dropCapabilities(keep: readonly CapName[]): void {
  const action = "Drop capabilities";
  check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), action, "prctl PR_SET_NO_NEW_PRIVS");
  check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n), action, "prctl PR_CAP_AMBIENT");
  const kept = keep.reduce((bits, name) => bits | 1 << CAP_BITS[name], 0) & permitted();
  // Effective, permitted, inheritable: of capabilities 0 to 31, then of 32 to 63.
  const data = Uint32Array.of(kept, kept, 0, 0, 0, 0);
  const header = Uint32Array.of(CAPABILITY_VERSION_3, 0);
  check(libc.capset(new Uint8Array(header.buffer), new Uint8Array(data.buffer)), action, "capset");
}

/** Capabilities 0 to 31 that the calling thread may have: to ask for another is EPERM. */
function permitted(): number {
  return Number.parseInt(statusField("CapPrm").slice(-8), 16);
}

/** Whether execve(2) can give this thread nothing that it lacks (PR_SET_NO_NEW_PRIVS). */
export function hasNoNewPrivileges(): boolean {
  return statusField("NoNewPrivs") === "1";
}

function statusField(name: string): string {
  const status = readProcFile("/proc/thread-self/status");
  return new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "0";
}

/** Held here while execve reads them. */
let argumentWords: Uint8Array<ArrayBuffer>[] = [];

/**
 * Begins the program again in this process, with the same words, environment and descriptors that are not closed on
 * exec. Every other thread ends; those of the new beginning have what the calling thread had. Does not return, unless
 * it throws SyscallError.
 */
export function beginAgain(program: string): never {
  // Each word ends with a NUL.
  argumentWords = readProcFile("/proc/self/cmdline").split("\0").slice(0, -1).map(cString);
  const argv = new BigUint64Array(argumentWords.length + 1);
  argumentWords.forEach((word, i) => argv[i] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(word)));
  libc.execv(cString(program), new Uint8Array(argv.buffer));
  throw new SyscallError("Begin again with fewer rights", `execv ${program}`, errno());
}
