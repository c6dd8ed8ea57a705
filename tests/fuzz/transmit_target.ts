/**
 * What is routed into a tunnel: reads of the TUN device with their vnet headers, through segmenting, the SA table, and
 * the ICMP answers for what it refuses; and back through receiving and coalescing. Every packet is in the end either
 * delivered or refused with a reason.
 */
import {
  Batch,
  DATA,
  DEVICE_MTU,
  IFINDEX,
  LENGTH,
  LOCAL,
  NEXT_SLOT,
  OFFSET,
  OKEY,
  REASON,
  REMOTE,
  SLAB_BYTES,
} from "../../datapath/batch.ts";
import { DROP_MIB, DROP_ROWS, DropReason } from "../../datapath/drop_reason.ts";
import { icmp6Send, MAX_ICMP6_MESSAGE } from "../../datapath/icmp/icmp6_send.ts";
import { icmpSend, icmpTos, MAX_ICMP_MESSAGE } from "../../datapath/icmp/icmp_send.ts";
import { Coalescer } from "../../datapath/offload/coalesce.ts";
import { Segmenter } from "../../datapath/offload/segment.ts";
import { fakeBackend } from "../../datapath/xfrm/transform_fixture.ts";
import {
  anySelector,
  KEY,
  L,
  makeTable,
  policyRecord,
  R,
  stateRecord,
} from "../../datapath/xfrm/xfrm_fixture.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../../datapath/xfrm/xfrm_record.ts";
import { check, type Target, timed } from "./fuzz.ts";
import { TUN_READS } from "./inner_packets.ts";
import { mutate, type Random } from "./random.ts";

/** Reads of a step. */
const READS = 16;
const VNET_HDR_BYTES = 10;
/** Packets of the longest read, when each segment takes one byte. */
const MAX_SEGMENTS = 65_535;

export const TRANSMIT_TARGET: Target = {
  name: "transmit, from reads of the device",
  unit: "packets",
  setUp: (random) => {
    const way = new Way(random);
    return () => way.step();
  },
};

class Way {
  readonly #table = makeTable(fakeBackend(8, 16, 4, false));
  readonly #segmenter = new Segmenter();
  readonly #batch = new Batch(new ArrayBuffer(SLAB_BYTES));
  readonly #answer = new DataView(new ArrayBuffer(MAX_ICMP6_MESSAGE));
  readonly #read = new Uint8Array(this.#segmenter.staging.length);
  /** Packets and bytes that the coalescer has written. */
  #written = 0;
  readonly #coalescer = new Coalescer({
    writePacket: (_, offset, length) => {
      check(offset >= DATA - VNET_HDR_BYTES && offset + length <= SLAB_BYTES, `wrote ${length} at ${offset}`);
      this.#written++;
    },
    writeSuperPacket: (_, offset, headerBytes, part, packets) => {
      const { headers, parts } = this.#coalescer;
      check(offset >= 0 && offset + headerBytes <= headers.length, `headers of ${headerBytes} at ${offset}`);
      let bytes = headerBytes;
      for (let k = 0; k < packets; k++) {
        const [at, length] = [parts[part + 2 * k]!, parts[part + 2 * k + 1]!];
        check(at >= DATA && length >= 0 && at + length <= SLAB_BYTES, `piece of ${length} at ${at}`);
        bytes += length;
      }
      check(bytes <= VNET_HDR_BYTES + 65_535, `super-packet of ${bytes} bytes`);
      this.#written += packets;
    },
  }, true);

  constructor(readonly random: Random) {
    const { table } = this.#table;
    const sel = anySelector(AF_UNSPEC);
    check(table.addState(stateRecord({ sel })) === null, "no SA");
    for (const family of [AF_INET, AF_INET6] as const) {
      table.addPolicy(policyRecord({ index: family * 8 + 1, family }));
    }
  }

  step(): number {
    let packets = 0;
    for (let i = 0; i < READS; i++) {
      const length = this.#prepare();
      let found = 0;
      timed(1, () => found = this.#send(length));
      packets += found;
    }
    return packets;
  }

  /** A read of the device, damaged more often than not, in #read; returns its length. */
  #prepare(): number {
    const read = this.random.pick(TUN_READS);
    this.#read.set(read);
    return this.random.once(5) ? read.length : mutate(this.random, this.#read, read.length);
  }

  /** Returns the packets that came of it, at least one. */
  #send(length: number): number {
    const batch = this.#batch;
    this.#segmenter.staging.set(this.#read.subarray(0, length));
    const reason = this.#segmenter.begin(length);
    check(reason >= 0 && reason < DROP_ROWS.length, `reason ${reason}`);
    if (reason !== DropReason.None) return 1;
    let packets = 0;
    for (let whole = false; !whole;) {
      batch.clear();
      whole = this.#segmenter.fill(batch);
      check(batch.count > 0, "a packet that was taken led to none");
      packets += batch.count;
      check(packets <= MAX_SEGMENTS, `${packets} packets of one read`);
      this.#joinAndEncrypt(batch);
    }
    return packets;
  }

  #joinAndEncrypt(batch: Batch): void {
    const { i32 } = batch;
    check(i32[NEXT_SLOT]! <= 64, `slot ${i32[NEXT_SLOT]}`);
    this.#written = 0;
    for (let i = 0; i < batch.count; i++) {
      const [at, length] = [i32[OFFSET + i]!, i32[LENGTH + i]!];
      check(at >= DATA && length > 0 && at + length <= SLAB_BYTES, `packet of ${length} bytes at ${at}`);
      this.#coalescer.add(batch, i);
    }
    this.#coalescer.flush();
    check(this.#written === batch.count, `${batch.count} packets, ${this.#written} written`);
    i32[OKEY] = KEY;
    i32[LOCAL] = L;
    i32[REMOTE] = R;
    i32[IFINDEX] = 10;
    i32[DEVICE_MTU] = 1480;
    const counted = this.#counted();
    this.#table.table.transmit(batch);
    let expected = 0;
    for (let i = 0; i < batch.count; i++) {
      const reason = i32[REASON + i]!;
      check(reason >= 0 && reason < DROP_ROWS.length, `reason ${reason}`);
      if (reason === DropReason.None) {
        const [at, length] = [i32[OFFSET + i]!, i32[LENGTH + i]!];
        check(at >= DATA && length > 28 && at + length <= SLAB_BYTES, `sealed ${length} bytes at ${at}`);
        continue;
      }
      if (DROP_MIB[reason]! >= 0) expected++;
      this.#answerSender(batch, i);
    }
    check(
      this.#counted() - counted === expected,
      `${this.#counted() - counted} counted, ${expected} refused`,
    );
  }

  #answerSender({ i32, view }: Batch, i: number): void {
    const [at, length] = [i32[OFFSET + i]!, i32[LENGTH + i]!];
    const v4 = icmpSend(view, at, length, 3, 4, 1400, this.#answer);
    const v6 = icmp6Send(view, at, length, 2, 0, 1400, this.#answer);
    check(v4 <= MAX_ICMP_MESSAGE && v6 <= MAX_ICMP6_MESSAGE, `an answer of ${v4} or ${v6} bytes`);
    icmpTos(view, at);
  }

  #counted(): number {
    return Object.values(this.#table.mib()).reduce((sum, n) => sum + n, 0);
  }
}
