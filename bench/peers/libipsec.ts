/**
 * strongSwan's kernel-libipsec at both ends: ESP in UDP, user space, Debian's charon.
 *
 * Each charon lives in its own network namespace and, because the path of its pid file is compiled in, sees its own
 * /run. IKE_SA and CHILD_SA are set up by a pre-shared key; then only libipsec carries packets.
 */
import { type Background, must } from "../../tests/doubles/topology.ts";
import {
  type Bench,
  type Contender,
  INNER,
  other,
  reachable,
  type Side,
  SIDES,
  UNDERLAY,
} from "./contender.ts";

export const CHARON = "/usr/lib/ipsec/charon";

export const libipsec: Contender = {
  name: "libipsec",
  describe: "strongSwan charon with kernel-libipsec, AES-128-GCM in UDP, TUN device",
  async start(bench) {
    const ends = await startCharons(bench);
    await reachable(bench, INNER.b);
    return { server: INNER.b, pids: SIDES.map((side) => ends[side].pid) };
  },
};

/** Starts both charons and has a set up the CHILD_SA between the inner addresses. */
export async function startCharons(bench: Bench, charonLog = 1): Promise<Record<Side, Background>> {
  const directory = await bench.topology.directory();
  const secret = crypto.randomUUID();
  const ends = {} as Record<Side, Background>;
  for (const side of SIDES) {
    await Deno.writeTextFile(`${directory}/${side}.conf`, strongswanConf(directory, side, charonLog));
    await Deno.writeTextFile(`${directory}/${side}.swanctl`, swanctlConf(side, secret), { mode: 0o600 });
    const addresses = [`${INNER[side]}/32`];
    await bench.topology.addresses({ netns: bench.netns[side], ifname: "lo", addresses });
    // A mount made inside `ip netns exec` is seen by this process alone.
    const script = `mount -t tmpfs none /run && exec ${CHARON} --use-syslog no`;
    ends[side] = await bench.topology.spawn(bench.netns[side], ["sh", "-c", script], {
      STRONGSWAN_CONF: `${directory}/${side}.conf`,
    });
    await ends[side].printed(/spawning \d+ worker threads/);
    await swanctl(directory, side, ["--load-all", "--noprompt", "--file", `${directory}/${side}.swanctl`]);
  }
  await swanctl(directory, "a", ["--initiate", "--child", "inner", "--timeout", "10"]);
  return ends;
}

function swanctl(directory: string, side: Side, words: readonly string[]): Promise<string> {
  const env = { STRONGSWAN_CONF: `${directory}/${side}.conf` };
  return must(["swanctl", ...words, "--uri", `unix://${directory}/${side}.vici`], { env });
}

/** Debian's own configuration, with libipsec in the place of the kernel's IPsec and the log on standard output. */
function strongswanConf(directory: string, side: Side, log: number): string {
  return `
charon {
  load_modular = yes
  plugins {
    include /etc/strongswan.d/charon/*.conf
    kernel-libipsec { load = yes }
    bypass-lan { load = no }
    resolve { load = no }
    stroke { load = no }
    vici { socket = unix://${directory}/${side}.vici }
  }
  filelog {
    out {
      path = /dev/stdout
      flush_line = yes
      default = 1
      chd = ${log}
    }
  }
}
`;
}

function swanctlConf(side: Side, secret: string): string {
  const far = other(side);
  return `
connections {
  peer {
    version = 2
    local_addrs = ${UNDERLAY[side]}
    remote_addrs = ${UNDERLAY[far]}
    proposals = aes128gcm16-prfsha256-ecp256
    encap = yes
    rekey_time = 0
    local { auth = psk
      id = ${UNDERLAY[side]} }
    remote { auth = psk
      id = ${UNDERLAY[far]} }
    children {
      inner {
        local_ts = ${INNER[side]}/32
        remote_ts = ${INNER[far]}/32
        esp_proposals = aes128gcm16
        rekey_time = 0
      }
    }
  }
}
secrets {
  ike-peer {
    id-a = ${UNDERLAY.a}
    id-b = ${UNDERLAY.b}
    secret = "${secret}"
  }
}
`;
}
