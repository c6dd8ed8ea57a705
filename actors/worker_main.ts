/** Module of every worker: joins the runtime with epoll, eventfd and the actors. */
import type { Batch } from "../datapath/batch.ts";
import { Epoll } from "../ffi/epoll.ts";
import { ring } from "../ffi/eventfd.ts";
import { newSlabMemory, Slab } from "../ffi/slab_pointers.ts";
import { threadId } from "../ffi/thread_time.ts";
import { makeActor } from "./make_actor.ts";
import { hostActors } from "./runtime/worker_host.ts";

hostActors<Batch>({
  makePoller: () => new Epoll(),
  ring,
  threadId,
  makeMemory: newSlabMemory,
  makeSlab: (id, memory) => new Slab(id, memory),
  makeBehaviour: makeActor,
});
