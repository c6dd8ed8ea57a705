/** strongSwan's kernel-libipsec at both ends: ESP in UDP, user space, Debian's charon. */
import { startCharons } from "../../tests/doubles/charon.ts";
import { type Contender, INNER, reachable, type Side, UNDERLAY } from "./contender.ts";

export const libipsec: Contender = {
  name: "libipsec",
  describe: "strongSwan charon with kernel-libipsec, AES-128-GCM in UDP, TUN device",
  async start(bench) {
    const end = (side: Side) => ({ netns: bench.netns[side], outer: UNDERLAY[side], inner: INNER[side] });
    const charons = await startCharons(bench.topology, end("a"), end("b"), { proposal: "aes128gcm16" });
    await reachable(bench, INNER.b);
    return { server: INNER.b, pids: charons.map(({ process }) => process.pid) };
  },
};
