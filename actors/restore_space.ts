/** Takes up what the store has of a namespace, before it has actors. What can't be is said, and mostly stays stored. */
import type { NetnsSpace } from "./netns_space.ts";
import type { NetnsKeeper, StoredThing } from "./store/netns_keeper.ts";

/** SAs that one line names. */
const NAMED = 8;

export async function restoreSpace(
  space: NetnsSpace,
  keeper: NetnsKeeper,
  log: (line: string) => void,
): Promise<void> {
  const things = keeper.stored();
  space.links.restorer.restore(things.filter(({ kind }) => kind === "link"));
  restoreXfrm(space, things, log);
  const states = space.xfrm.listStates({}, false);
  if (!states.ok) return;
  for (const state of states.value) {
    const opened = await space.openUdpPort(state);
    if (!opened.ok) log(`Cannot take up the port of an SA again: ${opened.error.message}`);
  }
  const refused = states.value.filter((state) => state.input_refused !== undefined);
  if (refused.length === 0) return;
  for (const state of refused) space.event("updsa", state);
  const names = refused.slice(0, NAMED).map(({ dst, spi }) => `${dst} 0x${spi.toString(16)}`).join(", ");
  log(
    `${refused.length} SAs take nothing that arrives until they are replaced, ${
      refused[0]!.input_refused
    }: ` +
      `${names}${refused.length > NAMED ? " …" : ""}`,
  );
}

function restoreXfrm(space: NetnsSpace, things: readonly StoredThing[], log: (line: string) => void): void {
  for (const kind of ["spd", "state", "policy"] as const) {
    const ofKind = things.filter((thing) => thing.kind === kind).sort((a, b) => ageOf(a) - ageOf(b));
    for (const { slot, body, secret } of ofKind) {
      const restored = space.xfrm.restore({ kind, slot, body, secret });
      secret.fill(0);
      if (!restored.ok) log(`Cannot take up ${nameOf(kind, body)} again: ${restored.error.message}`);
    }
  }
}

/** Grows with every SA, and with every policy. */
function ageOf({ body }: StoredThing): number {
  const { number, order } = body as { number?: number; order?: number };
  return number ?? order ?? 0;
}

function nameOf(kind: "spd" | "state" | "policy", body: unknown): string {
  if (kind === "spd") return "the SPD's defaults";
  const { request, index } = body as { request: { dst?: string; spi?: number }; index?: number };
  return kind === "policy" ? `policy ${index}` : `SA to ${request.dst} spi 0x${request.spi?.toString(16)}`;
}
