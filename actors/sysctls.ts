/** What the SA table needs of a namespace's sysctls. */
import { readProcFile } from "../ffi/proc_file.ts";
import type { SaTableInit } from "./messages.ts";

export type Sysctls = Pick<SaTableInit, "ipDefaultTtl" | "pmtu">;

const IPV4 = "/proc/sys/net/ipv4";

/** Reads them in the calling thread's namespace. What older kernels keep to the first namespace has its default. */
export function readSysctls(): Sysctls {
  return {
    ipDefaultTtl: read("ip_default_ttl", 64),
    pmtu: { minPmtu: read("route/min_pmtu", 552), expiresSeconds: read("route/mtu_expires", 600) },
  };
}

function read(name: string, otherwise: number): number {
  try {
    return Number(readProcFile(`${IPV4}/${name}`));
  } catch {
    return otherwise;
  }
}
