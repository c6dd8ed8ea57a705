/**
 * What arrives: ESP, raw and in UDP, and anything else, through the receivers' parsers, ip_tunnel_lookup and the SA
 * table. With a real cipher, only what was sealed and not damaged may pass. With one that checks nothing, every byte
 * behind the ICV is the attacker's, so that what comes after decryption is tried too.
 */

import {
  type Batch,
  BATCH_PACKETS,
  COUNT,
  DATA,
  DEVICE_MTU,
  ESP_AT,
  IFINDEX,
  IKEY,
  LENGTH,
  LOCAL,
  NEXT_SLOT,
  OFFSET,
  OKEY,
  PACKET_TUNNEL,
  REASON,
  REMOTE,
  SA,
  SLAB_BYTES,
  SLOT_BYTES,
  UDP_PORTS,
} from "../../datapath/batch.ts";
import { DROP_MIB, DROP_ROWS, DropReason } from "../../datapath/drop_reason.ts";
import { xfrm4UdpEncapRcv } from "../../datapath/xfrm/xfrm4_udp_encap_rcv.ts";
import { ENCAP_ESPINUDP } from "../../datapath/xfrm/xfrm_mtu.ts";
import {
  anySelector,
  inPolicyRecord,
  inStateRecord,
  KEY,
  L,
  makeTable,
  packetOf,
  policyRecord,
  R,
  SPI_IN,
  stateRecord,
  templateRecord,
  type TestTable,
} from "../../datapath/xfrm/xfrm_fixture.ts";
import { fakeBackend } from "../../datapath/xfrm/transform_fixture.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  IPPROTO_AH,
  IPPROTO_ESP,
  type XfrmStateRecord,
} from "../../datapath/xfrm/xfrm_record.ts";
import type { CryptoBackend } from "../../datapath/esp/aead.ts";
import { selectBackend } from "../../ffi/crypto_backend.ts";
import { MmsgReceiver } from "../../ffi/raw_socket.ts";
import { newBatch } from "../../ffi/slab_pointers.ts";
import { check, type Target, timed } from "./fuzz.ts";
import { MAX_INNER_BYTES, someInner } from "./inner_packets.ts";
import { mutate, type Random } from "./random.ts";

/** Packets of a step, all in one batch. */
const PACKETS = BATCH_PACKETS;
/** Bytes that a slot takes from its start on. */
const ROOM = SLOT_BYTES - ESP_AT;

/** The parser of raw packets, without its socket. */
class RawParser extends MmsgReceiver {
  constructor() {
    super(-1);
  }

  /** As after recvmmsg: an IPv4 packet of `length` bytes where the kernel has put it in slot `i`. */
  parse(batch: Batch, i: number, length: number): void {
    const slot = DATA + i * SLOT_BYTES;
    const rest = this.land(batch, i, 0, slot, slot + ESP_AT - 20, length);
    batch.i32[OFFSET + i] = slot + ESP_AT;
    batch.i32[LENGTH + i] = rest < 0 ? 0 : rest;
    if (rest < 0) batch.i32[REASON + i] = DropReason.InTruncated;
  }
}

interface Kind {
  readonly name: string;
  readonly backend: () => CryptoBackend;
  /** Nothing that was damaged may pass. */
  readonly authentic: boolean;
  readonly sa: Pick<XfrmStateRecord, "proto" | "transform">;
}

const ESP: Kind["sa"] = {
  proto: IPPROTO_ESP,
  transform: {
    aead: { name: "rfc4106(gcm(aes))", key: new Uint8Array(20).fill(7), icvBits: 128 },
    esn: false,
  },
};
const AH: Kind["sa"] = {
  proto: IPPROTO_AH,
  transform: { auth: { name: "hmac(sha256)", key: new Uint8Array(32).fill(7), truncBits: 128 }, esn: false },
};

/** Takes every ICV for right. */
function credulous(): CryptoBackend {
  const auth = {
    icvLength: 16,
    fullLength: 32,
    esn: false,
    sign: () => true,
    verify: () => true,
    destroy() {},
  };
  return { ...fakeBackend(8, 16, 4, false), createAuth: () => auth };
}

const KINDS: readonly Kind[] = [
  { name: "receive ESP, real cipher", backend: () => selectBackend("auto"), authentic: true, sa: ESP },
  { name: "receive ESP, nothing checked", backend: credulous, authentic: false, sa: ESP },
  { name: "receive AH, real MAC", backend: () => selectBackend("auto"), authentic: true, sa: AH },
  { name: "receive AH, nothing checked", backend: credulous, authentic: false, sa: AH },
];

export const RECEIVE_TARGETS: readonly Target[] = KINDS.map((kind) => ({
  name: kind.name,
  unit: "packets",
  setUp: (random) => {
    const way = new Way(random, kind);
    return () => way.step();
  },
}));

class Way {
  readonly #sender: TestTable;
  readonly #receiver: TestTable;
  readonly #parser = new RawParser();
  readonly #in = newBatch();
  readonly #out = newBatch();
  readonly #packet = new Uint8Array(ROOM + 20);
  readonly #inner = new Uint8Array(MAX_INNER_BYTES);
  /** Inner packets of this step, by what they are inside. */
  #sent: Uint8Array[] = [];
  readonly #before = new Uint8Array(SLAB_BYTES);

  constructor(readonly random: Random, readonly kind: Kind) {
    this.#sender = makeTable(kind.backend());
    this.#receiver = makeTable(kind.backend());
    const ends = { saddr: [R, 0, 0, 0], daddr: [L, 0, 0, 0] } as const;
    const sa = () => ({ ...structuredClone(kind.sa), sel: anySelector(AF_UNSPEC) });
    const sending = stateRecord({ ...ends, ...sa(), spi: SPI_IN });
    // A number that nobody has authenticated would end the window for all that comes after.
    const receiving = inStateRecord({ ...sa(), replayWindow: kind.authentic ? 64 : 0 });
    check(this.#sender.table.addState(sending) === null, "no SA");
    check(this.#receiver.table.addState(receiving) === null, "no SA");
    const templates = [templateRecord({ ...ends, proto: kind.sa.proto })];
    for (const family of [AF_INET, AF_INET6] as const) {
      this.#sender.table.addPolicy(policyRecord({ index: family * 8 + 1, family, templates }));
      this.#receiver.table.addPolicy(inPolicyRecord({ index: family * 8, family, templates }));
    }
  }

  step(): number {
    const packets = this.#seal();
    this.#arrive(packets);
    const { table } = this.#receiver;
    // A second look needs the same batch; the replay window then refuses what has passed, which takes as long.
    this.#before.set(this.#in.u8);
    const counted = this.#counted();
    table.receive(this.#in);
    this.#judge(counted);
    timed(PACKETS, () => {
      this.#in.u8.set(this.#before);
      table.receive(this.#in);
    });
    return PACKETS;
  }

  /** Outer packets of the sender, each with a fresh sequence number. */
  #seal(): Uint8Array[] {
    this.#sent = [];
    for (let i = 0; i < 16; i++) {
      this.#sent.push(this.#inner.slice(0, someInner(this.random, this.#inner)));
    }
    const batch = this.#out;
    const { i32 } = batch;
    batch.clear();
    i32[OKEY] = KEY;
    i32[LOCAL] = R;
    i32[REMOTE] = L;
    i32[IFINDEX] = 10;
    i32[DEVICE_MTU] = 1480;
    for (const packet of this.#sent) batch.u8.set(packet, i32[OFFSET + batch.append(packet.length)]);
    this.#sender.table.transmit(batch);
    return this.#sent.flatMap((_, i) => i32[REASON + i] === 0 ? [packetOf(batch, i)] : []);
  }

  /** What recvmmsg, the parsers and vti_input make of them: whole, damaged, again, or anything. */
  #arrive(sealed: readonly Uint8Array[]): void {
    const { random } = this;
    const batch = this.#in;
    const { i32, u8 } = batch;
    i32.fill(0, REASON, SA + BATCH_PACKETS);
    i32[COUNT] = PACKETS;
    i32[NEXT_SLOT] = PACKETS;
    for (let i = 0; i < PACKETS; i++) {
      const from = random.pick(sealed);
      this.#packet.set(from);
      let length = from.length;
      if (!random.once(6)) length = mutate(random, this.#packet, length);
      if (random.once(50)) random.fill(this.#packet, 0, length = random.below(200));
      u8.set(this.#packet.subarray(0, length), DATA + i * SLOT_BYTES + ESP_AT - 20);
      this.#parser.parse(batch, i, length);
      if (i32[REASON + i] !== 0) continue;
      i32[PACKET_TUNNEL + i] = 5;
      i32[IKEY + i] = KEY;
      // As if it had come in UDP: what is no ESP does not get as far as the SA table.
      if (random.once(16)) i32[UDP_PORTS + i] = random.u32() | 1;
      const isEsp = () =>
        xfrm4UdpEncapRcv(batch.view, i32[OFFSET + i]!, i32[LENGTH + i]!, ENCAP_ESPINUDP) !== 0;
      if (i32[UDP_PORTS + i] !== 0 && !isEsp()) {
        i32[REASON + i] = DropReason.InNotEsp;
      }
    }
  }

  /** Sum of the counters of /proc/net/xfrm_stat. */
  #counted(): number {
    return Object.values(this.#receiver.mib()).reduce((sum, n) => sum + n, 0);
  }

  /** Every refused packet has a reason that is counted once; every other one lies within the slab, and was sent. */
  #judge(counted: number): void {
    const { i32 } = this.#in;
    const early = new DataView(this.#before.buffer);
    let expected = 0;
    for (let i = 0; i < PACKETS; i++) {
      const reason = i32[REASON + i]!;
      check(reason >= 0 && reason < DROP_ROWS.length, `reason ${reason}`);
      if (reason !== 0) {
        const wasRefused = early.getInt32((REASON + i) * 4, true) !== 0;
        if (!wasRefused && DROP_MIB[reason]! >= 0) expected++;
        continue;
      }
      const at = i32[OFFSET + i]!;
      const length = i32[LENGTH + i]!;
      check(at >= DATA && length > 0 && at + length <= SLAB_BYTES, `packet at ${at} of ${length} bytes`);
      if (this.kind.authentic) {
        check(this.#wasSent(packetOf(this.#in, i)), "a packet passed that nobody has sent");
      }
    }
    check(
      this.#counted() - counted === expected,
      `${this.#counted() - counted} counted, ${expected} refused`,
    );
  }

  #wasSent(packet: Uint8Array): boolean {
    return this.#sent.some((sent) =>
      sent.length === packet.length && sent.every((byte, i) => byte === packet[i])
    );
  }
}
