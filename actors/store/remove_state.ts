/** Takes away what a gateway that has ended has left: its devices, its store, its file of cells. */
import { close } from "../../ffi/io.ts";
import { openNetns, withNetns } from "../../ffi/netns.ts";
import { Rtnetlink } from "../../ffi/rtnetlink.ts";
import { removeFile } from "../../ffi/shared_memory.ts";
import { ARPHRD_TUNNEL, closeTun, openTun, setPersist } from "../../ffi/tun.ts";
import { cellFiles, openDatabase } from "./state_files.ts";

/**
 * Returns a line for each device that could not be removed; the store then stays. Throws an Error when the store can't
 * be read, or is in use. Without a store there is nothing to do.
 */
export function removeState(dir: string): string[] {
  if (!exists(`${dir}/state.db`)) return [];
  const db = openDatabase(dir);
  const left: string[] = [];
  let files: readonly string[];
  try {
    for (const { kind, netns, body } of db.read().objects) {
      if (kind !== "link") continue;
      const { home, ifname } = JSON.parse(body) as { home: string; ifname: string };
      try {
        removeDevice(home === "" ? netns : home, ifname);
      } catch (error) {
        left.push(`${home === "" ? netns : home}: ${(error as Error).message}`);
      }
    }
    files = cellFiles(db, dir);
  } finally {
    db.close();
  }
  if (left.length > 0) return left;
  for (
    const path of [
      ...files,
      ...["state.db", "state.db-wal", "config-owned.json"].map((name) => `${dir}/${name}`),
    ]
  ) {
    removeFile(path);
  }
  return [];
}

/** A device that is gone already, and one whose namespace is, needs nothing. */
function removeDevice(netns: string, ifname: string): void {
  let fd: number;
  try {
    fd = openNetns(netns);
  } catch {
    return;
  }
  try {
    withNetns(fd, () => {
      const rtnl = new Rtnetlink();
      try {
        if (rtnl.link(ifname)?.type !== ARPHRD_TUNNEL) return;
        const tun = openTun({ name: ifname, vnetHdr: true, attach: true });
        setPersist(tun.fd, false);
        closeTun(tun);
      } finally {
        rtnl.close();
      }
    });
  } finally {
    close(fd);
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
