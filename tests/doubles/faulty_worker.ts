/**
 * A worker whose actors fail when told to: a file named FAULT_DIR/throw or FAULT_DIR/hang is taken by the first actor
 * that sees it in its tick. FAULT_DIR/KIND-throw is for actors of that kind only, FAULT_DIR/tunnel-LOCAL-throw for the
 * tunnel with that local address, a number.
 */
import type { ActorInit } from "../../actors/messages.ts";
import { makeActor } from "../../actors/make_actor.ts";
import type { Behaviour } from "../../actors/runtime/behaviour.ts";
import { poisonable } from "./poisonable.ts";
import { hostActors } from "../../actors/runtime/worker_host.ts";
import type { Batch } from "../../datapath/batch.ts";
import { Epoll } from "../../ffi/epoll.ts";
import { ring } from "../../ffi/eventfd.ts";
import { newSlabMemory, Slab } from "../../ffi/slab_pointers.ts";
import { threadId } from "../../ffi/thread_time.ts";

const dir = Deno.env.get("FAULT_DIR")!;

poisonable();

hostActors<Batch>({
  makePoller: () => new Epoll(),
  ring,
  threadId,
  makeMemory: newSlabMemory,
  makeSlab: (id, memory) => new Slab(id, memory),
  makeBehaviour(actor, init, context) {
    const record = init as ActorInit;
    const { kind } = record;
    const local = kind === "tunnel" ? [`tunnel-${record.parm.local}-`] : [];
    const behaviour: Behaviour<Batch> = makeActor(actor, init, context);
    const tick = behaviour.tick.bind(behaviour);
    behaviour.tick = (now) => {
      for (const who of ["", `${kind}-`, ...local]) {
        if (take(`${who}throw`)) throw new Error("told to throw");
        if (take(`${who}hang`)) { for (;;); }
      }
      tick(now);
    };
    return behaviour;
  },
});

/** True for the one that removed the file. */
function take(name: string): boolean {
  try {
    Deno.removeSync(`${dir}/${name}`);
    return true;
  } catch {
    return false;
  }
}
