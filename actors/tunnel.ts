/**
 * Tunnel actor: owner of one VTI device. Reads what is routed into it, writes what comes out of it, counts both, and
 * answers inner senders whose packets were refused.
 */
import {
  type Batch,
  BATCH_PACKETS,
  COUNT,
  DEVICE_MTU,
  IFINDEX,
  KIND,
  LINK,
  LOCAL,
  OKEY,
  PACKET_TUNNEL,
  REASON,
  REMOTE,
  TO,
  TUNNEL,
} from "../datapath/batch.ts";
import { DropReason } from "../datapath/drop_reason.ts";
import { Segmenter } from "../datapath/offload/segment.ts";
import { slabSum } from "../datapath/offload/slab_sum.ts";
import type { IpTunnelParm } from "../datapath/tunnel/ip_tunnel_parm.ts";
import { gmpSlabSum } from "../ffi/gmp_sum.ts";
import { EAGAIN } from "../ffi/errno.ts";
import { EPOLLIN } from "../ffi/epoll.ts";
import { TunReader } from "../ffi/tun_queue.ts";
import { countReason, countReceived, countRefused, countSent } from "./counters.ts";
import { addressNext } from "./delivery.ts";
import { IcmpAnswers } from "./icmp_answers.ts";
import { BatchKind, type GatewayLetter, type TunnelInit, type TunnelLetter } from "./messages.ts";
import { batchMaker } from "./new_batch.ts";
import {
  type ActorId,
  type Behaviour,
  type Context,
  MAIN,
  type Pool,
  type Reply,
} from "./runtime/behaviour.ts";
import { TunOutput } from "./tun_output.ts";

/** Slabs a tunnel may have on their way: one to fill while others are encrypted and sent. */
const SLABS = 4;
/** Reads of the device in one turn, so that other actors of the worker get theirs. */
const READS_PER_TURN = 64;

/** The worker's; made with its first tunnel. */
let output: TunOutput | null = null;

export class TunnelActor implements Behaviour<Batch> {
  readonly #context: Context<Batch>;
  readonly #init: TunnelInit;
  readonly #pool: Pool<Batch>;
  readonly #segmenter = new Segmenter(gmpSlabSum() ?? slabSum);
  readonly #reader: TunReader;
  readonly #output: TunOutput;
  #answers: IcmpAnswers;
  #parm: IpTunnelParm;
  #mtu: number;
  /** Batch that packets are read into. */
  #filling: Batch | null = null;
  /** The segmenter holds a packet that found no room. */
  #halfRead = false;
  #underlayIfindex: number;
  /** The device could not be read and is not watched. */
  #failing = false;

  constructor(context: Context<Batch>, init: TunnelInit) {
    this.#context = context;
    this.#init = init;
    this.#parm = init.parm;
    this.#mtu = init.mtu;
    this.#underlayIfindex = init.underlayIfindex;
    this.#pool = context.pool(SLABS, batchMaker(context.self), (batch) => this.#lost(batch));
    this.#reader = new TunReader(init.tunFd, this.#segmenter.staging);
    this.#output = output ??= new TunOutput();
    this.#answers = new IcmpAnswers(init);
    context.watch(init.tunFd, EPOLLIN, 0);
  }

  receive(message: unknown, _from: ActorId, reply: Reply): void {
    const letter = message as TunnelLetter;
    this.#parm = letter.parm;
    this.#mtu = letter.mtu;
    this.#underlayIfindex = letter.underlayIfindex;
    this.#answers = new IcmpAnswers(letter);
    reply(null);
  }

  parcel(batch: Batch): void {
    if (batch.i32[KIND] === BatchKind.deliver) this.#deliver(batch);
    else this.#account(batch);
  }

  ready(): void {
    this.#read();
  }

  available(): void {
    this.#context.watch(this.#init.tunFd, EPOLLIN, 0);
    this.#read();
  }

  flush(): void {
    this.#dispatch();
  }

  /**
   * Reads packets into batches.
   *
   * 1. A packet that found no room in the last batch goes on in this one.
   * 2. Read one packet or super-packet; stop when none waits.
   * 3. Segment it into the batch; a full batch leaves, and the rest goes into the next. One that is full but for less
   *    than another such super-packet leaves too.
   * 4. Without a free batch, stop watching the device: its own queue then holds or drops.
   */
  #read(): void {
    for (let reads = 0; reads < READS_PER_TURN;) {
      const batch = this.#filling ?? this.#begin();
      if (batch === null) return;
      if (!this.#halfRead) {
        const length = this.#reader.read();
        if (length < 0) {
          if (length !== -EAGAIN) this.#fail(-length);
          return;
        }
        reads++;
        const reason = this.#segmenter.begin(length);
        if (reason !== DropReason.None) {
          countReason(this.#init.counters, reason, 1);
          continue;
        }
      }
      const before = batch.count;
      this.#halfRead = !this.#segmenter.fill(batch);
      // Another one like this would not fit: whole, it can be joined again at the other end.
      if (this.#halfRead || BATCH_PACKETS - batch.count < batch.count - before) this.#dispatch();
    }
  }

  /** Its owner finds out whether the device is gone. Until then look again from time to time: some errors pass. */
  #fail(errno: number): void {
    this.#context.unwatch(this.#init.tunFd);
    if (this.#failing) return;
    this.#failing = true;
    const letter: GatewayLetter = { op: "tun-failed", actor: this.#context.self, errno };
    this.#context.send(MAIN, letter);
  }

  #begin(): Batch | null {
    const batch = this.#pool.take();
    if (batch === null) {
      this.#context.unwatch(this.#init.tunFd);
      return null;
    }
    batch.clear();
    this.#filling = batch;
    return batch;
  }

  /** Sends the batch that is being filled to the SA table, with what belongs to the tunnel in its header. */
  #dispatch(): void {
    const batch = this.#filling;
    if (batch === null) return;
    this.#filling = null;
    const i32 = batch.i32;
    if (i32[COUNT] === 0) {
      this.#context.give(batch);
      return;
    }
    const parm = this.#parm;
    i32[TO] = this.#init.saTable;
    i32[KIND] = BatchKind.transmit;
    i32[TUNNEL] = this.#context.self;
    i32[OKEY] = parm.oKey;
    i32[LOCAL] = parm.local;
    i32[REMOTE] = parm.remote;
    i32[IFINDEX] = this.#underlayIfindex;
    i32[LINK] = parm.link;
    i32[DEVICE_MTU] = this.#mtu;
    this.#context.sendParcel(batch);
  }

  /** A transmitted batch is home: counts each packet and answers the senders of refused ones. */
  #account(batch: Batch): void {
    const i32 = batch.i32;
    const cells = this.#init.counters;
    for (let i = 0; i < i32[COUNT]; i++) {
      if (i32[REASON + i] === DropReason.None) countSent(cells, batch, i);
      else {
        countRefused(cells, batch, i);
        this.#answers.answer(batch, i, this.#parm.ifindex, this.#context.now());
      }
    }
    this.#context.give(batch);
  }

  /** Writes the packets of this tunnel to its device and passes the batch on to the next tunnel in it. */
  #deliver(batch: Batch): void {
    const i32 = batch.i32;
    const self = this.#context.self;
    const cells = this.#init.counters;
    const output = this.#output;
    output.begin(this.#init.tunFd);
    for (let i = 0; i < i32[COUNT]; i++) {
      if (i32[PACKET_TUNNEL + i] !== self) continue;
      i32[PACKET_TUNNEL + i] = 0;
      if (i32[REASON + i] !== DropReason.None) countRefused(cells, batch, i);
      else {
        countReceived(cells, batch, i);
        output.add(batch, i);
      }
    }
    output.end();
    if (output.refused > 0) countReason(cells, DropReason.InDeviceDown, output.refused);
    addressNext(batch);
    this.#context.sendParcel(batch);
  }

  /** A batch came back from a worker that failed: what was in it is lost, and said so. */
  #lost(batch: Batch): void {
    const i32 = batch.i32;
    for (let i = 0; i < i32[COUNT]; i++) {
      if (i32[REASON + i] === DropReason.None) i32[REASON + i] = DropReason.Lost;
      countRefused(this.#init.counters, batch, i);
    }
  }

  tick(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#context.watch(this.#init.tunFd, EPOLLIN, 0);
  }

  stop(): void {}
}
