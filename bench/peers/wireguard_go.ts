/** wireguard-go at both ends: ChaCha20-Poly1305 in UDP, user space. */
import { must } from "../../tests/doubles/topology.ts";
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

const PORT = 51820;
/** The control socket's name is the device's, in a directory that all namespaces share. */
const device = (side: Side) => `vttw${Deno.pid % 100_000}${side}`;

export const wireguardGo: Contender = {
  name: "wireguard-go",
  describe: "ChaCha20-Poly1305 in UDP, TUN device, MTU 1420",
  async start(bench) {
    const keys = { a: await keyPair(), b: await keyPair() };
    const pids: number[] = [];
    for (const side of SIDES) pids.push(await startEnd(bench, side, keys));
    await reachable(bench, INNER.b);
    return { server: INNER.b, pids };
  },
};

interface KeyPair {
  readonly secret: string;
  readonly open: string;
}

async function keyPair(): Promise<KeyPair> {
  const secret = (await must(["wg", "genkey"])).trim();
  return { secret, open: (await must(["wg", "pubkey"], { stdin: secret })).trim() };
}

async function startEnd(
  { topology, netns }: Bench,
  side: Side,
  keys: Record<Side, KeyPair>,
): Promise<number> {
  const child = await topology.spawn(netns[side], ["wireguard-go", "-f", device(side)], {
    LOG_LEVEL: "verbose",
  });
  await child.printed(/UAPI listener started/);
  const far = other(side);
  const config = [
    "[Interface]",
    `PrivateKey = ${keys[side].secret}`,
    `ListenPort = ${PORT}`,
    "[Peer]",
    `PublicKey = ${keys[far].open}`,
    `Endpoint = ${UNDERLAY[far]}:${PORT}`,
    `AllowedIPs = ${INNER[far]}/32`,
  ].join("\n");
  await topology.must(netns[side], ["wg", "setconf", device(side), "/dev/stdin"], { stdin: config });
  await topology.must(netns[side], ["ip", "link", "set", device(side), "up"]);
  await topology.addresses({ netns: netns[side], ifname: device(side), addresses: [`${INNER[side]}/30`] });
  return child.pid;
}
