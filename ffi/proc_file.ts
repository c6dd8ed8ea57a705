/**
 * Files of /proc and /sys, and what a descriptor stands for: by system calls, because Deno reads those folders only
 * under --allow-all, and the daemon is to run with less.
 */
import { check } from "./errno.ts";
import { close } from "./io.ts";
import { cString, libc } from "./libc.ts";

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
/** More than the kernel answers to one read of such a file. */
const READ_BYTES = 4096;

/** The file's text, of this thread's namespaces. Throws SyscallError. */
export function readProcFile(path: string): string {
  const action = `Read ${path}`;
  const fd = check(libc.open(cString(path), O_RDONLY | O_CLOEXEC, 0), action, "open");
  try {
    const decoder = new TextDecoder();
    const bytes = new Uint8Array(READ_BYTES);
    let text = "";
    for (;;) {
      const n = check(libc.readBuffer(fd, bytes, BigInt(READ_BYTES)), action, "read");
      if (n === 0) return text;
      text += decoder.decode(bytes.subarray(0, n), { stream: true });
    }
  } finally {
    close(fd);
  }
}

/** A descriptor for rereadProcFile(), of this thread's namespaces for good; -1 when there is no such file. */
export function openProcFile(path: string): number {
  return libc.open(cString(path), O_RDONLY | O_CLOEXEC, 0);
}

/** A short file's text as it is now. Throws SyscallError. */
export function rereadProcFile(fd: number): string {
  const bytes = new Uint8Array(READ_BYTES);
  const n = check(libc.pread(fd, bytes, BigInt(READ_BYTES), 0n), `Read descriptor ${fd}`, "pread");
  return new TextDecoder().decode(bytes.subarray(0, n));
}

/** Whether there is such a file or folder. */
export function hasProcFile(path: string): boolean {
  const fd = libc.open(cString(path), O_PATH | O_CLOEXEC, 0);
  if (fd < 0) return false;
  close(fd);
  return true;
}

export interface Descriptor {
  readonly inode: number;
  readonly uid: number;
  readonly isFile: boolean;
  /** Bytes. */
  readonly size: number;
}

const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
/** struct statx, the same on every processor. */
const STATX_BYTES = 256;
const STX_UID = 20;
const STX_MODE = 28;
const STX_INO = 32;
const STX_SIZE = 40;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** What the descriptor stands for. Throws SyscallError. */
export function statDescriptor(fd: number): Descriptor {
  const statx = new Uint8Array(STATX_BYTES);
  const status = libc.statx(fd, cString(""), AT_EMPTY_PATH, STATX_BASIC_STATS, statx);
  check(status, `Look at descriptor ${fd}`, "statx");
  const view = new DataView(statx.buffer);
  return {
    inode: Number(view.getBigUint64(STX_INO, true)),
    uid: view.getUint32(STX_UID, true),
    isFile: (view.getUint16(STX_MODE, true) & S_IFMT) === S_IFREG,
    size: Number(view.getBigUint64(STX_SIZE, true)),
  };
}
