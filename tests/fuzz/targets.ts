/** Everything that takes hostile input. */
import { API_TARGET, httpTarget } from "./api_targets.ts";
import type { Target } from "./fuzz.ts";
import { ICMP_TARGET, NETLINK_TARGET } from "./parser_targets.ts";
import { Random } from "./random.ts";
import { HISTORY_TARGETS } from "./history_targets.ts";
import { RECEIVE_TARGETS } from "./receive_target.ts";
import { makeConfigTarget, makeWordsTarget } from "./text_targets.ts";
import { TRANSMIT_TARGET } from "./transmit_target.ts";

/** The paths of packets, and the parsers of single messages. */
export const PACKET_TARGETS: readonly Target[] = [
  ...RECEIVE_TARGETS,
  TRANSMIT_TARGET,
  ICMP_TARGET,
  NETLINK_TARGET,
  ...HISTORY_TARGETS,
];

/** Calls `use` with the targets that need a directory or a server, and takes those away again. */
export async function withTextTargets(use: (targets: readonly Target[]) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "vti-gateway-fuzz-" });
  try {
    await using words = await makeWordsTarget(new Random(1));
    await using http = httpTarget(directory);
    await use([API_TARGET, words, await makeConfigTarget(directory), http]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
