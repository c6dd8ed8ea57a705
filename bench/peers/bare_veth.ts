/** The underlay itself: what the machine could do without any tunnel. */
import { type Contender, reachable, UNDERLAY } from "./contender.ts";

export const bareVeth: Contender = {
  name: "bare-veth",
  describe: "no tunnel, no encryption",
  async start(bench) {
    await reachable(bench, UNDERLAY.b);
    return { server: UNDERLAY.b, pids: [] };
  },
};
