/**
 * Memory that all threads of the process see at one address: of a file, which keeps it when the process is killed, or
 * of the process alone.
 *
 * A view by memoryAt() is a plain ArrayBuffer that V8 neither owns nor moves. Atomics work on it, between threads too
 * (shared_memory_test.ts has the proof). It must never be posted: a clone would be a copy.
 */
import { check, EAGAIN, ENOENT, errno, SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { cString, libc } from "./libc.ts";
import { statDescriptor } from "./proc_file.ts";

const O_RDWR = 2;
const O_CREAT = 0o100;
const O_NOFOLLOW = 0o400000;
const O_CLOEXEC = 0o2000000;
const OWNER_ONLY = 0o600;

const LOCK_EX = 2;
const LOCK_NB = 4;

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
/** What mmap answers in place of an address when it fails. */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Where memory is; the same in every thread, and it survives a structured clone. */
export type MemoryAddress = bigint;

/** The `bytes` of memory at `address`. */
export function memoryAt(address: MemoryAddress, bytes: number): ArrayBuffer {
  return Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(address)!, bytes);
}

/** Memory of `bytes`, all zero, which takes room only where it is written to. Throws SyscallError. */
export class ProcessMemory {
  readonly address: MemoryAddress;
  readonly #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
    this.address = map(bytes, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, "Get memory");
  }

  /** Gives it back; no view may be touched afterwards. */
  close(): void {
    unmap(this.address, this.#bytes);
  }
}

/** A file as memory. One process at a time. */
export class MappedFile {
  readonly path: string;
  readonly address: MemoryAddress;
  readonly #fd: number;
  readonly #max: number;
  #bytes: number;

  /**
   * Opens the file, or makes it with mode 0600, and locks it. Its address range is for `max` bytes, of which only
   * `bytes` may be touched. Throws SyscallError; EPERM too for a file of somebody else, or that is no plain file.
   */
  constructor(path: string, max: number) {
    const action = `Map ${path} into memory`;
    this.path = path;
    this.#max = max;
    const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    this.#fd = check(libc.open(cString(path), flags, OWNER_ONLY), action, "open");
    try {
      check(libc.flock(this.#fd, LOCK_EX | LOCK_NB), action, "flock", {
        [EAGAIN]: "another process uses it",
      });
      const { isFile, uid, size } = statDescriptor(this.#fd);
      if (!isFile || uid !== Deno.uid()) throw new Error(`${action}: it is not this user's own file`);
      this.#bytes = size;
      this.address = map(max, MAP_SHARED, this.#fd, action);
    } catch (error) {
      close(this.#fd);
      throw error;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Gives the file room up to `bytes`, at most `max`. The room is really there afterwards: touching it can't fail for
   * a full disk, which would be a signal. Throws SyscallError, as ENOSPC.
   */
  grow(bytes: number): void {
    const action = `Give ${this.path} ${bytes} bytes`;
    if (bytes > this.#max) throw new RangeError(`${action}: it may have ${this.#max}`);
    const error = libc.posix_fallocate(this.#fd, 0n, BigInt(bytes));
    if (error !== 0) throw new SyscallError(action, "posix_fallocate", error);
    this.#bytes = Math.max(this.#bytes, bytes);
  }

  /** Takes the file's name away; the memory stays until close(). */
  unlink(): void {
    removeFile(this.path);
  }

  /** Ends the mapping and the lock; no view may be touched afterwards. */
  close(): void {
    unmap(this.address, this.#max);
    close(this.#fd);
  }
}

/** Removes a file where there is one; Deno does not do that in /dev without being allowed everything. */
export function removeFile(path: string): void {
  if (libc.unlink(cString(path)) === 0 || errno() === ENOENT) return;
  throw new SyscallError(`Remove ${path}`, "unlink", errno());
}

function map(bytes: number, flags: number, fd: number, action: string): MemoryAddress {
  const pointer = libc.mmap(null, BigInt(bytes), PROT_READ_WRITE, flags, fd, 0n);
  const address = BigInt.asUintN(64, BigInt(Deno.UnsafePointer.value(pointer)));
  if (address === MAP_FAILED) throw new SyscallError(action, "mmap", errno());
  return address;
}

function unmap(address: MemoryAddress, bytes: number): void {
  check(libc.munmap(Deno.UnsafePointer.create(address), BigInt(bytes)), "Give memory back", "munmap");
}
