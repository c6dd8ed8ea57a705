/** Writes the kernel's initramfs format, cpio's "newc" (Documentation/driver-api/early-userspace/buffer-format.rst). */

const S_IFDIR = 0o040000, S_IFREG = 0o100000, S_IFLNK = 0o120000;

export interface CpioEntry {
  /** Without a slash at its start. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
}

export const directory = (path: string): CpioEntry => ({
  path,
  mode: S_IFDIR | 0o755,
  bytes: new Uint8Array(),
});

export const file = (path: string, permissions: number, bytes: Uint8Array): CpioEntry => ({
  path,
  mode: S_IFREG | permissions,
  bytes,
});

export const symlink = (path: string, target: string): CpioEntry => ({
  path,
  mode: S_IFLNK | 0o777,
  bytes: new TextEncoder().encode(target),
});

/** The archive. Everything belongs to root; a directory has to stand before what is in it. */
export function newc(entries: readonly CpioEntry[]): Uint8Array<ArrayBuffer> {
  const all = [...entries, file("TRAILER!!!", 0, new Uint8Array())];
  const parts = all.flatMap(({ path, mode, bytes }, index) => {
    const name = new TextEncoder().encode(`${path}\0`);
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [index + 1, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
    const header = "070701" + fields.map((value) => value.toString(16).padStart(8, "0")).join("");
    const head = padded(new Uint8Array([...new TextEncoder().encode(header), ...name]));
    return [head, padded(bytes)];
  });
  const archive = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}

/** Followed by zeros up to a multiple of 4. */
function padded(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  result.set(bytes);
  return result;
}
