/**
 * Tunnel actor: owner of one VTI device. Reads what is routed into it, writes what comes out of it, counts both, and
 * answers inner senders whose packets were refused.
 */
import {
  type Batch,
  BATCH_PACKETS,
  COUNT,
  CURSOR,
  DEVICE_MTU,
  IFINDEX,
  KIND,
  LENGTH,
  LINK,
  LOCAL,
  NEXT_SLOT,
  OFFSET,
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
import { VNET_HDR_BYTES } from "../datapath/offload/vnet_hdr.ts";
import type { IpTunnelParm } from "../datapath/tunnel/ip_tunnel_parm.ts";
import { gmpSlabSum } from "../ffi/gmp_sum.ts";
import { EAGAIN } from "../ffi/errno.ts";
import { EPOLLIN } from "../ffi/epoll.ts";
import { TunReader } from "../ffi/tun_queue.ts";
import { countReason, countReceived, countRefused, countSent, IN_FLIGHT } from "./counters.ts";
import { addressNext } from "./delivery.ts";
import { IcmpAnswers } from "./icmp_answers.ts";
import {
  BatchKind,
  type GatewayLetter,
  type QuarantineInit,
  type TunnelInit,
  type TunnelLetter,
} from "./messages.ts";
import { Stage } from "./poison_mark.ts";
import { Quarantine } from "./quarantine.ts";
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
  /** Bytes of what the segmenter holds. */
  #bytesRead = 0;
  /** The segmenter holds a packet that found no room. */
  #halfRead = false;
  #underlayIfindex: number;
  /** The device could not be read and is not watched. */
  #failing = false;
  readonly #quarantine: Quarantine;
  readonly #count = (batch: Batch) => this.#countAndAnswer(batch);
  readonly #write = (batch: Batch) => this.#writeOwn(batch);
  readonly #threw = (error: unknown) => this.#threwAtHeld(error);
  /** Batch whose packets are being written. */
  #delivering: Batch | null = null;

  constructor(context: Context<Batch>, init: TunnelInit, quarantine: QuarantineInit) {
    this.#context = context;
    this.#init = init;
    this.#parm = init.parm;
    this.#mtu = init.mtu;
    this.#underlayIfindex = init.underlayIfindex;
    this.#quarantine = new Quarantine(context, quarantine, (reason) => countReason(init.counters, reason, 1));
    // What a former worker had read went with it.
    this.#writeOff();
    this.#pool = context.pool(SLABS, (batch) => this.#lost(batch));
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
    this.#quarantine.enter(Stage.read);
    this.#read();
    this.#quarantine.leave();
  }

  available(): void {
    this.#context.watch(this.#init.tunFd, EPOLLIN, 0);
    this.ready();
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
        const reason = this.#take(length);
        if (reason !== DropReason.None) {
          countReason(this.#init.counters, reason, 1);
          continue;
        }
      }
      const before = batch.count;
      this.#halfRead = !this.#fill(batch);
      this.#init.counters[IN_FLIGHT] += batch.count - before;
      // Another one like this would not fit: whole, it can be joined again at the other end.
      if (this.#halfRead || BATCH_PACKETS - batch.count < batch.count - before) this.#dispatch();
    }
  }

  /** Takes over what was read, `length` bytes; returns a DropReason. */
  #take(length: number): number {
    const { staging } = this.#segmenter;
    this.#bytesRead = length - VNET_HDR_BYTES;
    if (this.#quarantine.suspects(Stage.read, staging, VNET_HDR_BYTES, this.#bytesRead)) {
      return DropReason.OutPoison;
    }
    try {
      return this.#segmenter.begin(length);
    } catch (error) {
      this.#quarantine.threw(Stage.read, staging, VNET_HDR_BYTES, this.#bytesRead, error);
      return DropReason.OutPoison;
    }
  }

  /** Segments into the batch; false when it goes on in the next one. What was taken over and throws is dropped. */
  #fill(batch: Batch): boolean {
    const { i32 } = batch;
    const count = i32[COUNT];
    const slot = i32[NEXT_SLOT];
    try {
      const done = this.#segmenter.fill(batch);
      this.#quarantine.passed();
      return done;
    } catch (error) {
      const { staging } = this.#segmenter;
      this.#quarantine.threw(Stage.read, staging, VNET_HDR_BYTES, this.#bytesRead, error);
      i32[COUNT] = count;
      i32[NEXT_SLOT] = slot;
      countReason(this.#init.counters, DropReason.OutPoison, 1);
      return true;
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

  /** A transmitted batch is home. One that is not expected was counted as lost. */
  #account(batch: Batch): void {
    if (this.#pool.expects(batch)) {
      this.#quarantine.run(Stage.account, batch, this.#count);
      this.#init.counters[IN_FLIGHT] -= batch.i32[COUNT];
    }
    this.#context.give(batch);
  }

  /** Counts each packet from CURSOR on, and answers the senders of refused ones. */
  #countAndAnswer(batch: Batch): void {
    const i32 = batch.i32;
    const cells = this.#init.counters;
    for (let i = i32[CURSOR]; i < i32[COUNT]; i++) {
      i32[CURSOR] = i;
      if (i32[REASON + i] === DropReason.None) countSent(cells, batch, i);
      else {
        countRefused(cells, batch, i);
        this.#answers.answer(batch, i, this.#parm.ifindex, this.#context.now());
      }
    }
    i32[CURSOR] = 0;
  }

  /** Writes the packets of this tunnel to its device and passes the batch on to the next tunnel in it. */
  #deliver(batch: Batch): void {
    this.#quarantine.run(Stage.deliver, batch, this.#write);
    addressNext(batch);
    this.#context.sendParcel(batch);
  }

  /** Writes and counts those of this tunnel from CURSOR on. */
  #writeOwn(batch: Batch): void {
    const i32 = batch.i32;
    const self = this.#context.self;
    const cells = this.#init.counters;
    const output = this.#output;
    output.begin(this.#init.tunFd);
    this.#delivering = batch;
    for (let i = i32[CURSOR]; i < i32[COUNT]; i++) {
      if (i32[PACKET_TUNNEL + i] !== self) continue;
      i32[CURSOR] = i;
      i32[PACKET_TUNNEL + i] = 0;
      if (i32[REASON + i] !== DropReason.None) countRefused(cells, batch, i);
      else {
        output.add(batch, i);
        countReceived(cells, batch, i);
      }
    }
    output.end(this.#threw);
    if (output.refused > 0) countReason(cells, DropReason.InDeviceDown, output.refused);
    if (output.lost > 0) countReason(cells, DropReason.InPoison, output.lost);
    output.taken();
    this.#delivering = null;
    i32[CURSOR] = 0;
  }

  /** Something threw at packets that were held back to be joined. The last one of the batch stands for them. */
  #threwAtHeld(error: unknown): void {
    const { i32, u8 } = this.#delivering!;
    const last = i32[COUNT] - 1;
    this.#quarantine.threw(Stage.deliver, u8, i32[OFFSET + last], i32[LENGTH + last], error);
  }

  /** A batch came back from a worker that failed: what was in it is lost, and said so. */
  #lost(batch: Batch): void {
    if (!this.#pool.expects(batch)) return;
    const i32 = batch.i32;
    this.#init.counters[IN_FLIGHT] -= i32[COUNT];
    for (let i = 0; i < i32[COUNT]; i++) {
      if (i32[REASON + i] === DropReason.None) i32[REASON + i] = DropReason.Lost;
      countRefused(this.#init.counters, batch, i);
    }
  }

  /** None of its batches is out: what was under way went with a worker that failed. */
  #writeOff(): void {
    const cells = this.#init.counters;
    countReason(cells, DropReason.Lost, cells[IN_FLIGHT]);
    cells[IN_FLIGHT] = 0;
  }

  tick(): void {
    const idle = this.#pool.outstanding === 0 && this.#filling === null;
    if (idle && this.#init.counters[IN_FLIGHT] > 0) this.#writeOff();
    if (!this.#failing) return;
    this.#failing = false;
    this.#context.watch(this.#init.tunFd, EPOLLIN, 0);
  }

  stop(): void {}
}
