/**
 * strongSwan's charon with kernel-libipsec at both ends of a wire: user-space ESP in UDP that others wrote.
 *
 * Each charon lives in its own network namespace and, because the path of its pid file is compiled in, sees its own
 * /run. IKE_SA and CHILD_SA are set up by a pre-shared key; then libipsec carries packets between the inner addresses.
 */
import { type Background, must, type Topology } from "./topology.ts";

const CHARON = "/usr/lib/ipsec/charon";

export interface CharonEnd {
  readonly netns: string;
  readonly outer: string;
  readonly inner: string;
}

export interface CharonOptions {
  /** Of ESP, in swanctl's words. */
  readonly proposal: string;
  /** Log the keys of the CHILD_SA too. */
  readonly showKeys?: boolean;
}

/** Starts both charons and has a set up the CHILD_SA between the inner addresses. */
export async function startCharons(
  topology: Topology,
  a: CharonEnd,
  b: CharonEnd,
  options: CharonOptions,
): Promise<[Background, Background]> {
  const secret = crypto.randomUUID();
  const first = await startCharon(topology, a, b, secret, options);
  const second = await startCharon(topology, b, a, secret, options);
  await first.swanctl(["--initiate", "--child", "inner", "--timeout", "10"]);
  return [first.process, second.process];
}

async function startCharon(
  topology: Topology,
  here: CharonEnd,
  there: CharonEnd,
  secret: string,
  options: CharonOptions,
) {
  const directory = await topology.directory();
  const vici = `unix://${directory}/vici`;
  const env = { STRONGSWAN_CONF: `${directory}/strongswan.conf` };
  await Deno.writeTextFile(env.STRONGSWAN_CONF, strongswanConf(vici, options.showKeys ? 4 : 1));
  const config = swanctlConf(here, there, secret, options.proposal);
  await Deno.writeTextFile(`${directory}/swanctl.conf`, config, { mode: 0o600 });
  await topology.addresses({ netns: here.netns, ifname: "lo", addresses: [`${here.inner}/32`] });
  // A mount made inside `ip netns exec` is seen by this process alone.
  const script = `mount -t tmpfs none /run && exec ${CHARON} --use-syslog no`;
  const process = await topology.spawn(here.netns, ["sh", "-c", script], env);
  await process.printed(/spawning \d+ worker threads/);
  const swanctl = (words: readonly string[]) => must(["swanctl", ...words, "--uri", vici], { env });
  await swanctl(["--load-all", "--noprompt", "--file", `${directory}/swanctl.conf`]);
  return { process, swanctl };
}

/** Debian's own configuration, with libipsec in the place of the kernel's IPsec and the log on standard output. */
function strongswanConf(vici: string, childLog: number): string {
  return `
charon {
  load_modular = yes
  plugins {
    include /etc/strongswan.d/charon/*.conf
    kernel-libipsec { load = yes }
    bypass-lan { load = no }
    resolve { load = no }
    stroke { load = no }
    vici { socket = ${vici} }
  }
  filelog {
    out {
      path = /dev/stdout
      flush_line = yes
      default = 1
      chd = ${childLog}
    }
  }
}
`;
}

function swanctlConf(here: CharonEnd, there: CharonEnd, secret: string, proposal: string): string {
  return `
connections {
  peer {
    version = 2
    local_addrs = ${here.outer}
    remote_addrs = ${there.outer}
    proposals = aes128gcm16-prfsha256-ecp256
    encap = yes
    rekey_time = 0
    local { auth = psk
      id = ${here.outer} }
    remote { auth = psk
      id = ${there.outer} }
    children {
      inner {
        local_ts = ${here.inner}/32
        remote_ts = ${there.inner}/32
        esp_proposals = ${proposal}
        rekey_time = 0
      }
    }
  }
}
secrets {
  ike-peer {
    id-a = ${here.outer}
    id-b = ${there.outer}
    secret = "${secret}"
  }
}
`;
}

export interface ChildSa {
  /** SPI of what the end with this log receives, and of what it sends. */
  readonly spiIn: number;
  readonly spiOut: number;
  /** Hex: of the direction a to b (a initiated) and of the other. */
  readonly encToB: string;
  readonly encToA: string;
  readonly authToB: string;
  readonly authToA: string;
}

/** SPIs and keys of the CHILD_SA, from the log of b, which did not initiate. */
export function childSa(log: string): ChildSa {
  const spis = log.match(/established with SPIs ([0-9a-f]+)_i ([0-9a-f]+)_o/);
  if (!spis) throw new Error("Cannot read the CHILD_SA: the log names no SPIs");
  return {
    spiIn: parseInt(spis[1]!, 16),
    spiOut: parseInt(spis[2]!, 16),
    encToB: keyOf(log, "encryption initiator key"),
    encToA: keyOf(log, "encryption responder key"),
    authToB: keyOf(log, "integrity initiator key"),
    authToA: keyOf(log, "integrity responder key"),
  };
}

/** The bytes of a hex dump in the log, "" when there is none of that name. */
function keyOf(log: string, name: string): string {
  const dump = log.match(new RegExp(`${name} => (\\d+) bytes @ .*\\n((?:.*\\[CHD\\] +\\d+: .*\\n)+)`));
  if (!dump) return "";
  const rows = dump[2]!.matchAll(/\[CHD\] +\d+: ((?:[0-9A-F]{2} )+)/g);
  const bytes = [...rows].flatMap(([, row]) => row!.trim().split(" "));
  return bytes.slice(0, Number(dump[1])).join("").toLowerCase();
}
