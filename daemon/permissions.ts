/** What Deno must allow for a daemon with these options, in place of -A; and which native code it runs. */
import { selectBackend } from "../ffi/crypto_backend.ts";
import { gmpSlabSum } from "../ffi/gmp_sum.ts";
import { NETNS_DIR } from "../ffi/netns.ts";
import { readProcFile } from "../ffi/proc_file.ts";
import { type DaemonOptions, parseDaemonOptions } from "./options.ts";

const PROGRAM = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
/** Of the service manager, and of state_key.ts. */
const VARIABLES = [
  ...["NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY"],
  ...["VTI_GATEWAY_STATE_KEY", "VTI_GATEWAY_STATE_KEY_FILE"],
];
/** Where systemd puts the credentials of the unit. */
const CREDENTIALS = "/run/credentials/vti-gateway.service";

/** `doctor --permissions [OPTIONS OF run]`. Returns the exit code. */
export function printPermissions(args: readonly string[]): number {
  const options = parseDaemonOptions(args);
  if ("wrong" in options) {
    console.error(options.wrong);
    return 1;
  }
  console.log(["deno run", ...permissionFlags(options), `${PROGRAM}/mod.ts run`, ...args].join(" "));
  console.log(`ExecPaths=${nativeCode().join(" ")}`);
  return 0;
}

/**
 * The flags for `deno run`. FFI is allowed as a whole: under a list of paths Deno opens these libraries, but refuses
 * every pointer (denoland/deno#15511), and a program that may call the C library needs no other. /proc, /sys and /dev
 * are read by system calls, since Deno does so only under --allow-all.
 */
export function permissionFlags(options: DaemonOptions, program = PROGRAM): string[] {
  const { runDir, stateDir, listen, tls, config } = options;
  const files = [tls?.certFile, tls?.keyFile, config].filter((file) => file !== undefined);
  const host = listen.hostname.includes(":") ? `[${listen.hostname}]` : listen.hostname;
  const address = listen.port === 0 ? host : `${host}:${listen.port}`;
  return [
    "--no-prompt",
    "--allow-ffi",
    `--allow-read=${[program, runDir, stateDir, NETNS_DIR, "/etc/group", CREDENTIALS, ...files].join(",")}`,
    `--allow-write=${runDir},${stateDir}`,
    `--allow-net=${address},unix:${runDir}/api.sock`,
    `--allow-env=${VARIABLES.join(",")}`,
    "--allow-sys=osRelease,uid",
  ];
}

/** Files whose code this process can run once it has opened all that a daemon may open; Deno is one. */
function nativeCode(): string[] {
  for (const name of ["ipsec-mb", "libcrypto"] as const) {
    try {
      selectBackend(name);
    } catch {
      // This host does without.
    }
  }
  gmpSlabSum();
  const mapped = readProcFile("/proc/self/maps").matchAll(/^\S+ ..x. .* (\/.*)$/gm);
  return [...new Set(mapped.map(([, path]) => path!))].sort();
}
