/** What this host has and lacks: for `doctor`, and for a clear sentence when a start fails. */
import { SyscallError } from "./errno.ts";
import { openIcmp6Socket } from "./icmp_socket.ts";
import { close } from "./io.ts";
import { openNetns, withNetns } from "./netns.ts";
import { hasProcFile, readProcFile } from "./proc_file.ts";
import { openRawSocket } from "./raw_socket.ts";
import { openRtnetlink } from "./rtnetlink.ts";
import {
  closeTun,
  openTun,
  setOffload,
  TUN_F_ALL,
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_USO4,
  TUN_F_USO6,
} from "./tun.ts";

/** One thing a host has or lacks. */
export interface Capability {
  /** Short and fixed: "tun", "raw sockets" … */
  readonly name: string;
  readonly ok: boolean;
  /** The gateway does not work without it. */
  readonly required: boolean;
  /** What was found. */
  readonly detail: string;
  /** What helps; "" when ok or when nothing need be done. */
  readonly remedy: string;
}

/** CAP_* bits (linux/capability.h). */
const CAPABILITIES: readonly [name: string, bit: bigint, purpose: string][] = [
  ["CAP_NET_ADMIN", 12n, "TUN devices and big socket buffers"],
  ["CAP_NET_RAW", 13n, "raw sockets"],
  ["CAP_SYS_ADMIN", 21n, "entering network namespaces"],
];

/** Kernel modules that a VTI of the kernel itself needs; the gateway does not. */
const KERNEL_MODULES = ["ip_vti", "esp4", "ah4", "ipcomp"];

/** Tries out what the gateway needs in the calling thread's namespace. Leaves nothing behind. */
export function probeHost(): Capability[] {
  return [
    {
      name: "kernel",
      ok: true,
      required: true,
      detail: `Linux ${Deno.osRelease()} on ${Deno.build.arch}`,
      remedy: "",
    },
    ...probeCapabilities(),
    ...probeTun(),
    attempt("raw sockets", true, () => {
      close(openRawSocket(50));
      return "IPv4 protocol 50 (ESP)";
    }),
    attempt("ICMPv6 socket", false, () => {
      close(openIcmp6Socket());
      return "errors to inner IPv6 senders";
    }),
    attempt("rtnetlink", true, () => {
      close(openRtnetlink());
      return "devices and routes";
    }),
    attempt("network namespaces", false, () => {
      const fd = openNetns("self");
      try {
        return withNetns(fd, () => "can be entered");
      } finally {
        close(fd);
      }
    }),
    probeKernelModules(),
  ];
}

function probeCapabilities(): Capability[] {
  const status = readProcFile("/proc/self/status");
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return CAPABILITIES.map(([name, bit, purpose]) => {
    const ok = ((effective >> bit) & 1n) === 1n;
    return {
      name,
      ok,
      required: true,
      detail: `${ok ? "held" : "missing"}: ${purpose}`,
      remedy: ok ? "" : `run as root or with ${name}`,
    };
  });
}

/** Makes a TUN device of a name that is free, and asks it for its offloads. */
function probeTun(): Capability[] {
  let offloads = 0;
  const tun = attempt("tun", true, () => {
    const device = openTun({ name: "vtiprobe%d", vnetHdr: true, multiQueue: true });
    try {
      offloads = setOffload(device.fd, TUN_F_ALL);
      return "/dev/net/tun makes devices";
    } finally {
      closeTun(device);
    }
  });
  const names = Object.entries({
    checksum: TUN_F_CSUM,
    TSO4: TUN_F_TSO4,
    TSO6: TUN_F_TSO6,
    USO4: TUN_F_USO4,
    USO6: TUN_F_USO6,
  }).filter(([, bit]) => (offloads & bit) !== 0).map(([name]) => name);
  return [tun, {
    name: "tun offloads",
    ok: names.length > 0,
    required: false,
    detail: names.length > 0 ? names.join(" ") : "none: every packet costs a system call",
    remedy: names.length > 0 || !tun.ok ? "" : "use Linux 6.2 or newer",
  }];
}

function probeKernelModules(): Capability {
  const present = KERNEL_MODULES.filter((name) => hasProcFile(`/sys/module/${name}`));
  const detail = present.length === 0 ? "none loaded, none needed" : `loaded: ${present.join(" ")}`;
  const clash = present.includes("ip_vti") || present.includes("esp4");
  return {
    name: "kernel modules",
    ok: true,
    required: false,
    detail,
    remedy: clash ? "keep VTIs and SAs of the kernel off the addresses of the gateway's tunnels" : "",
  };
}

function attempt(name: string, required: boolean, probe: () => string): Capability {
  try {
    return { name, ok: true, required, detail: probe(), remedy: "" };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const [detail, remedy = ""] = error.message.split("; ");
    return { name, ok: false, required, detail, remedy };
  }
}
