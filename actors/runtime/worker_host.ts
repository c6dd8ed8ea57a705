/**
 * A worker's own side: takes its first message, then leaves the event loop for the reactor and never comes back.
 */
import {
  type ActorId,
  type Behaviour,
  type Context,
  MAIN,
  type Parcel,
  type Poller,
  type Ring,
  type Slab,
} from "./behaviour.ts";
import { Directory } from "./directory.ts";
import { Cell, Link, makeBlock, Stop } from "./mailbox.ts";
import { type Failure, failureOf, type Init, type ToMain, type ToWorker } from "./protocol.ts";
import { Reactor } from "./reactor.ts";

export interface Host<P extends Parcel> {
  /** Made once, when the worker gets its first message. */
  readonly makePoller: () => Poller;
  readonly ring: Ring;
  /** Number of the calling thread. */
  readonly threadId: () => number;
  /** Makes new memory for a slab, with all that its parcels need in it from the start. */
  readonly makeMemory: () => SharedArrayBuffer;
  readonly makeSlab: (id: number, memory: SharedArrayBuffer) => Slab<P>;
  /** Makes an actor from its init record. A throw refuses this actor only, and must leave nothing open behind. */
  readonly makeBehaviour: (actor: ActorId, init: unknown, context: Context<P>) => Behaviour<P>;
}

/** The part of a dedicated worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** To be called once at the top level of a worker's module. */
export function hostActors<P extends Parcel>(host: Host<P>): void {
  const scope = self as unknown as WorkerScope;
  scope.onmessage = (event) => {
    scope.onmessage = null;
    runWorker(host, event.data as Init);
    scope.close();
  };
  scope.postMessage("loaded");
}

function runWorker<P extends Parcel>(host: Host<P>, init: Init): void {
  const main = new Link(init.main, host.ring);
  const block = makeBlock(init.block);
  Atomics.store(block.cells, Cell.thread, host.threadId());
  const tell = (message: ToMain) => {
    if (Atomics.load(block.cells, Cell.stop) !== Stop.abandoned) main.post(message, []);
  };
  let failure: Failure | null;
  let poller: Poller | undefined;
  try {
    poller = host.makePoller();
    const reactor: Reactor<P> = new Reactor({
      slot: init.slot,
      epoch: init.epoch,
      block,
      directory: new Directory(init.directory),
      main,
      bell: init.bell,
      poller,
      makeMemory: host.makeMemory,
      makeSlab: host.makeSlab,
      control: (message) => control(host, reactor, message as ToWorker, tell),
    });
    tell({ op: "running" });
    failure = reactor.run();
    reactor.router.close();
  } catch (error) {
    failure = failureOf(MAIN, error);
  }
  poller?.close();
  tell(failure === null ? { op: "stopped" } : { op: "failed", failure });
  main.close();
}

function control<P extends Parcel>(
  host: Host<P>,
  reactor: Reactor<P>,
  message: ToWorker,
  tell: (message: ToMain) => void,
): void {
  switch (message.op) {
    case "spawn":
      spawn(host, reactor, message, tell);
      break;
    case "remove":
      reactor.remove(message.actor);
      tell({ op: "answer", call: message.call, body: null });
      break;
    case "link":
      reactor.router.link(message.slot, new Link(message.end, host.ring));
      break;
    case "down":
      reactor.down(message.slot, message.epoch);
      break;
    case "broadcast":
      reactor.broadcast(message.body);
      break;
  }
}

function spawn<P extends Parcel>(
  host: Host<P>,
  reactor: Reactor<P>,
  { actor, call, init }: Extract<ToWorker, { op: "spawn" }>,
  tell: (message: ToMain) => void,
): void {
  try {
    reactor.spawn(actor, (context) => host.makeBehaviour(actor, init, context));
  } catch (error) {
    tell({ op: "refused", call, failure: failureOf(actor, error) });
    return;
  }
  tell({ op: "answer", call, body: null });
}
