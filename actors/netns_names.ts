/** Names of namespaces under /run/netns, and which namespace (inode) each stands for. */
import { listNetns, NETNS_DIR, netnsInode } from "../ffi/netns.ts";
import type { NetnsRef } from "./gateway.ts";

/** Null when there is no such name. */
export function inodeOfName(name: string): number | null {
  try {
    return Deno.statSync(`${NETNS_DIR}/${name}`).ino;
  } catch {
    return null;
  }
}

export function namedNetns(): { readonly name: string; readonly inode: number }[] {
  return listNetns().flatMap((name) => {
    const inode = inodeOfName(name);
    return inode === null ? [] : [{ name, inode }];
  });
}

/** Name of a namespace; "self" for the daemon's own without one; else what it was asked for by. */
export function nameOf(ns: NetnsRef, inode: number): string {
  if (inodeOfName(ns) === inode) return ns;
  const named = namedNetns().find((named) => named.inode === inode);
  return named?.name ?? (inode === netnsInode("self") ? "self" : ns);
}
