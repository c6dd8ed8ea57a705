/**
 * strongSwan's charon with kernel-libipsec at both ends of a wire: user-space ESP in UDP that others wrote.
 *
 * Each charon lives in its own network namespace and, because the path of its pid file is compiled in, sees its own
 * /run. IKE_SA and CHILD_SA are set up by a pre-shared key; then libipsec carries packets between the inner addresses.
 */
import { type Background, must, type Topology } from "./topology.ts";

const CHARON = "/usr/lib/ipsec/charon";
/** Seconds for which packets of a rekeyed SA are still taken. */
const DELETE_REKEYED_DELAY = 1;

export interface CharonEnd {
  readonly netns: string;
  readonly outer: string;
  readonly inner: string;
  /** Where a NAT is between them: the address by which this end reaches the other. */
  readonly peer?: string;
}

export interface CharonOptions {
  /** Of ESP, in swanctl's words. */
  readonly proposal: string;
  /** Log the keys of CHILD_SAs too, for saEvents(). */
  readonly showKeys?: boolean;
  /** Seconds after which a has the CHILD_SA rekeyed; absent: never by itself. */
  readonly rekeySeconds?: number;
}

export interface Charon {
  readonly process: Background;
  /** Runs swanctl; it has to succeed. */
  swanctl(words: readonly string[]): Promise<string>;
}

/** Starts both charons and has a set up the CHILD_SA between the inner addresses. */
export async function startCharons(
  topology: Topology,
  a: CharonEnd,
  b: CharonEnd,
  options: CharonOptions,
): Promise<[Charon, Charon]> {
  const secret = crypto.randomUUID();
  const first = await startCharon(topology, a, b, secret, options);
  const second = await startCharon(topology, b, a, secret, { ...options, rekeySeconds: 0 });
  await first.swanctl(["--initiate", "--child", "inner", "--timeout", "10"]);
  return [first, second];
}

async function startCharon(
  topology: Topology,
  here: CharonEnd,
  there: CharonEnd,
  secret: string,
  options: CharonOptions,
): Promise<Charon> {
  const directory = await topology.directory();
  const vici = `unix://${directory}/vici`;
  const env = { STRONGSWAN_CONF: `${directory}/strongswan.conf` };
  await Deno.writeTextFile(env.STRONGSWAN_CONF, strongswanConf(vici, options.showKeys ? 4 : 1));
  const config = swanctlConf(here, there, secret, options);
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
  delete_rekeyed_delay = ${DELETE_REKEYED_DELAY}
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

function swanctlConf(
  here: CharonEnd,
  there: CharonEnd,
  secret: string,
  { proposal, rekeySeconds = 0 }: CharonOptions,
): string {
  // Through a NAT that forwards this port alone IKE has to begin on it.
  const ports = here.peer === undefined ? "" : "local_port = 4500\n    remote_port = 4500";
  return `
connections {
  peer {
    version = 2
    local_addrs = ${here.outer}
    remote_addrs = ${here.peer ?? there.outer}
    ${ports}
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
        rekey_time = ${rekeySeconds}
        rand_time = 0
        life_time = ${4 * rekeySeconds}
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
