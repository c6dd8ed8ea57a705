/** Whether a namespace is to have fallback devices (ip_vti0). Kernel: include/linux/netdevice.h. */
import { withNetns } from "../ffi/netns.ts";
import { readProcFile } from "../ffi/proc_file.ts";

/** Only the host's first namespace has the file. 0: every namespace has fallbacks, 1: only the first one, 2: none. */
const SYSCTL = "/proc/sys/net/core/fb_tunnels_only_for_init_net";

/** net_has_fallback_tunnels(). `netns` is a descriptor. Where nobody can know the setting, it is the default. */
export function hasFallbackTunnels(netns: number): boolean {
  const there = withNetns(netns, readSetting);
  return netHasFallbackTunnels(there ?? readSetting() ?? 0, there !== null);
}

export function netHasFallbackTunnels(setting: number, isInitNet: boolean): boolean {
  return setting === 0 || (setting === 1 && isInitNet);
}

function readSetting(): number | null {
  try {
    return Number(readProcFile(SYSCTL));
  } catch {
    return null;
  }
}
