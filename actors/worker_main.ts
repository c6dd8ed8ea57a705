/** Module of every worker: joins the runtime with epoll, eventfd and the three kinds of actors. */
import { Batch } from "../datapath/batch.ts";
import { Epoll } from "../ffi/epoll.ts";
import { ring } from "../ffi/eventfd.ts";
import type { ActorInit } from "./messages.ts";
import { NetnsActor } from "./netns.ts";
import type { ActorId, Behaviour, Context } from "./runtime/behaviour.ts";
import { hostActors } from "./runtime/worker_host.ts";
import { SaTableActor } from "./sa_table.ts";
import { TunnelActor } from "./tunnel.ts";

function makeBehaviour(_actor: ActorId, init: unknown, context: Context<Batch>): Behaviour<Batch> {
  const record = init as ActorInit;
  switch (record.kind) {
    case "netns":
      return new NetnsActor(context, record);
    case "sa_table":
      return new SaTableActor(context, record);
    case "tunnel":
      return new TunnelActor(context, record);
  }
}

hostActors<Batch>({
  makePoller: () => new Epoll(),
  ring,
  wrap: (buffer) => new Batch(buffer),
  makeBehaviour,
});
