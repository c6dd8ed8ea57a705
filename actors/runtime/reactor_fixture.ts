/** A reactor alone in its thread, with a poller and channels that a test drives. */
import {
  type Behaviour,
  type Context,
  EPOCH,
  KIND,
  type Parcel,
  type Poller,
  type Slab,
  TO,
} from "./behaviour.ts";
import { Directory } from "./directory.ts";
import { Cell, Link, makeBlock, makePosted, Stop } from "./mailbox.ts";
import { makeRings } from "./parcel_ring.ts";
import { Reactor } from "./reactor.ts";
import type { Introduction } from "./slab_table.ts";

/** A poller that reports what the test says. */
class PollerDouble implements Poller {
  readonly log: string[] = [];
  readonly timeouts: number[] = [];
  readonly tokenOf = new Map<number, number>();
  /** Tokens and events of the next wait. */
  next: [number, number][] = [];
  duringWait = () => {};
  #now: [number, number][] = [];

  wait(timeoutMs: number): number {
    this.timeouts.push(timeoutMs);
    this.duringWait();
    this.#now = this.next;
    this.next = [];
    return this.#now.length;
  }
  nap(us: number): void {
    this.log.push(`nap ${us}`);
  }
  token(i: number): number {
    return this.#now[i][0];
  }
  events(i: number): number {
    return this.#now[i][1];
  }
  add(fd: number, events: number, token: number): void {
    this.log.push(`add ${fd} ${events}`);
    this.tokenOf.set(fd, token);
  }
  modify(fd: number, events: number): void {
    this.log.push(`modify ${fd} ${events}`);
  }
  remove(fd: number): void {
    this.log.push(`remove ${fd}`);
  }
  close(): void {}
}

export const SLOT = 0;
export const BELL = 100;

const EPOCH_OF_WORKERS = 1;

/** A slab whose parcels have their words in the shared memory; their buffers only tell whether they were detached. */
function makeSlab(id: number, memory: SharedArrayBuffer): Slab<Parcel> {
  const slab: Slab<Parcel> = {
    id,
    memory,
    wrap: () => ({ slab, buffer: new ArrayBuffer(64), i32: new Int32Array(memory) }),
  };
  return slab;
}

/** A parcel in a slab of no pool. */
function makeParcel(): Parcel {
  return makeSlab(1_000_000, new SharedArrayBuffer(64)).wrap();
}

/** A reactor alone in its thread; `main` and `peers` are the far ends of its channels. */
class Bench {
  readonly poller = new PollerDouble();
  readonly block = makeBlock();
  readonly directory = new Directory();
  readonly log: string[] = [];
  readonly contexts: Context<Parcel>[] = [];
  readonly reactor: Reactor<Parcel>;
  readonly main: Link;
  readonly #ends: Link[] = [];

  constructor() {
    const [near, far] = this.channel();
    this.main = far;
    this.directory.setEpoch(SLOT, EPOCH_OF_WORKERS);
    this.reactor = new Reactor({
      slot: SLOT,
      epoch: EPOCH_OF_WORKERS,
      block: this.block,
      directory: this.directory,
      main: near,
      bell: BELL,
      poller: this.poller,
      makeMemory: () => new SharedArrayBuffer(64),
      makeSlab,
      control: (message) => this.log.push(`control ${JSON.stringify(message)}`),
    });
  }

  channel(): [Link, Link] {
    const { port1, port2 } = new MessageChannel();
    const posted = makePosted();
    const rings = makeRings();
    const end = (port: MessagePort, side: 0 | 1) =>
      new Link({ port, posted, rings, side, peer: null, peerBell: -1 }, () => {});
    const ends: [Link, Link] = [end(port1, 0), end(port2, 1)];
    this.#ends.push(...ends);
    return ends;
  }

  /** Connects a worker `slot` that has `actor`; returns its end. */
  peer(slot: number, actor: number): Link {
    const [near, far] = this.channel();
    this.reactor.router.link(slot, near);
    this.directory.place(actor, slot);
    this.directory.setEpoch(slot, EPOCH_OF_WORKERS);
    return far;
  }

  /** Has a parcel come from a peer, in a slab of a pool in worker `home`; returns its words. */
  arrive(peer: Link, id: number, home: number): Int32Array {
    const memory = new SharedArrayBuffer(64);
    const words = new Int32Array(memory);
    words[EPOCH] = EPOCH_OF_WORKERS;
    peer.post({ op: "slab", id, memory, home } satisfies Introduction, []);
    peer.sendParcel(id, new ArrayBuffer(64));
    return words;
  }

  /** An actor that logs its calls; `on` may replace some. */
  spawn(id: number, on: Partial<Behaviour<Parcel>> = {}): Context<Parcel> {
    const log = (text: string) => void this.log.push(`${id} ${text}`);
    const quiet: Behaviour<Parcel> = {
      receive: (message) => log(`letter ${message}`),
      parcel: (parcel) => log(`parcel ${parcel.i32[KIND]}`),
      ready: (token, events) => log(`ready ${token} ${events}`),
      available: () => log("available"),
      tick: () => {},
      flush: () => log("flush"),
      stop: () => log("stop"),
    };
    this.reactor.spawn(id, (context) => (this.contexts[id] = context, { ...quiet, ...on }));
    return this.contexts[id];
  }

  /** Calls since the last time, without those of `flush` unless asked for. */
  calls(flushes = false): string[] {
    return this.log.splice(0).filter((line) => flushes || !line.endsWith("flush"));
  }

  letter(to: number, body: unknown, call = 0): void {
    this.main.post({ op: "letter", to, from: 0, call, body }, []);
  }

  abandon(): void {
    Atomics.store(this.block.cells, Cell.stop, Stop.abandoned);
  }

  close(): void {
    this.#ends.forEach((link) => link.close());
  }
}

export function test(name: string, run: (bench: Bench) => void): void {
  Deno.test(name, () => {
    const bench = new Bench();
    try {
      run(bench);
    } finally {
      bench.close();
    }
  });
}

export function parcelTo(to: number, kind: number): Parcel {
  const parcel = makeParcel();
  parcel.i32[TO] = to;
  parcel.i32[KIND] = kind;
  return parcel;
}
