/** What the daemon keeps of the rights that it was started with. */
import {
  beginAgain,
  type CapName,
  dropCapabilities,
  forbidDebugger,
  forbidDumps,
  hasNoNewPrivileges,
} from "../ffi/harden.ts";
import { SyscallError } from "../ffi/errno.ts";

/** What the gateway uses, whoever runs it; the systemd unit gives it these. */
export const USED: readonly CapName[] = [
  // TUN devices, routes, socket buffers.
  "CAP_NET_ADMIN",
  // Raw sockets.
  "CAP_NET_RAW",
  // The namespace of a client ("pid:N") whose user is another.
  "CAP_SYS_PTRACE",
  // setns(2).
  "CAP_SYS_ADMIN",
  // An encapsulation port or an API port below 1024.
  "CAP_NET_BIND_SERVICE",
];

/** What root keeps besides: without it, root could not read its program in somebody's home, as others can. */
const USED_BY_ROOT: readonly CapName[] = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"];

/**
 * To be called before the first worker is made, which inherits from this thread. Where root has started the daemon
 * outside a unit it then begins again, once: Deno's own threads are older than any script and would keep all rights.
 */
export function reducePrivileges(log: (line: string) => void): void {
  const mayBeginAgain = Deno.uid() === 0 && !hasNoNewPrivileges();
  const steps = [
    () => dropCapabilities([...USED, ...USED_BY_ROOT]),
    () => mayBeginAgain && beginAgain(Deno.execPath()),
    forbidDumps,
    forbidDebugger,
  ];
  for (const give of steps) {
    try {
      give();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      // A sandbox may forbid the call itself; it has then set the limits.
      log(`${error.message}; the daemon goes on with what it has`);
    }
  }
}
