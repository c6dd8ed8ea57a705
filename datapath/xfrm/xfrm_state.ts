/**
 * One SA as the datapath uses it (struct xfrm_state), made from its record and the shared cells that outlive it.
 *
 * Addresses, SPI, marks and reqid are 32-bit integers of either sign, so that they compare with `===` and never need
 * a heap number.
 */
import type { AuthTransform } from "../ah/auth.ts";
import type { CryptoBackend, CryptoRefusal, EspTransform } from "../esp/aead.ts";
import * as esp from "../wire/esp.ts";
import { Selector } from "./selector.ts";
import {
  BITMAP_WORDS,
  CELL_BYTES,
  CELL_EXPIRY,
  CELL_OSEQ,
  CELL_PACKETS,
  CELL_USE_TIME,
  makeXfrmCells,
  viewXfrmCells,
  WORD_BITMAP,
  WORD_SEQ,
} from "./xfrm_cells.ts";
import { lastSequence, LEASE_PACKETS, takeLease } from "./xfrm_lease.ts";
import { encapBytes } from "./xfrm_mtu.ts";
import { findShape, NO_SHAPE, type StateShape } from "./xfrm_shape.ts";
import {
  IPPROTO_AH,
  IPPROTO_ESP,
  type LifetimeRecord,
  type MarkRecord,
  XfrmExtraFlagBit,
  XfrmModeNumber,
  XfrmStateFlagBit,
  type XfrmStateRecord,
} from "./xfrm_record.ts";
import { REPLAY_BITMAP, REPLAY_ESN, REPLAY_LEGACY, type ReplayState } from "./xfrm_replay.ts";

/** Values of CELL_EXPIRY. */
export const EXPIRY_VALID = 0;
export const EXPIRY_DYING = 1;
export const EXPIRY_EXPIRED = 2;
/** XFRM_STATE_ACQ: a reserved SPI. Never in the cells. */
export const EXPIRY_ACQUIRING = 3;

/** Verdict of checkExpire(). */
export const ALIVE = 0;
export const SOFT_EXPIRED = 1;
export const HARD_EXPIRED = 2;

/** What an update may replace in a valid SA (xfrm_state_update()). */
export type XfrmStateUpdate = Pick<
  XfrmStateRecord,
  "number" | "lifetime" | "encapType" | "encapSport" | "encapDport" | "outputMark" | "flags"
>;

const TWO_32 = 0x1_0000_0000;
const KINDS = { legacy: REPLAY_LEGACY, bitmap: REPLAY_BITMAP, esn: REPLAY_ESN } as const;

export class XfrmState implements ReplayState {
  readonly number: number;
  readonly family: number;
  readonly saddr: Int32Array;
  readonly daddr: Int32Array;
  readonly proto: number;
  readonly spi: number;
  readonly markValue: number;
  readonly markMask: number;
  readonly reqid: number;
  readonly mode: number;
  readonly selector: Selector;
  readonly addTime: number;
  readonly replayKind: number;
  readonly replayWindow: number;
  readonly f64: Float64Array;
  readonly i32: Int32Array;

  readonly dontEncapDscp: boolean;
  readonly tfcpad: number;

  // What xfrm_state_update() may change.
  encapType = 0;
  /** Source port << 16 | destination port. */
  encapPorts = 0;
  /** Where the last authentic packet in UDP came from; to begin with, where the SA says. */
  mappedSrc = 0;
  mappedPort = 0;
  /** Bytes between the outer IPv4 header and the ESP header. */
  encapBytes = 0;
  outputMark: MarkRecord | null = null;
  lifetime!: LifetimeRecord;
  noecn = false;
  decapDscp = false;
  nopmtudisc = false;
  wildrecv = false;

  readonly ivLength: number;
  readonly icvLength: number;
  readonly blockSize: number;
  /** Bytes of an AH header with this SA's ICV, and with one that was not truncated. */
  readonly ahBytes: number;
  readonly ahFullBytes: number;
  /** Its packets have sequence numbers. */
  readonly numbered: boolean;

  /** Last number taken, its two halves as they go into the packet, and the last number of the lease. */
  oseq = 0;
  oseqLo = 0;
  oseqHi = 0;
  expiry: number;
  /** Next SA in the chain of its (destination, SPI, protocol). */
  next: XfrmState | null = null;

  readonly #backend: CryptoBackend;
  readonly #spec: XfrmStateRecord["transform"];
  #sealer: EspTransform | null = null;
  #opener: EspTransform | null = null;
  #auth: AuthTransform | null = null;
  readonly #fixedBytes: number;
  #leaseEnd = 0;
  readonly #lastSequence: number;

  private constructor(record: XfrmStateRecord, backend: CryptoBackend, shape: StateShape) {
    const { f64, i32 } = viewXfrmCells(record.cells);
    this.number = record.number;
    this.family = record.family;
    this.saddr = Int32Array.from(record.saddr);
    this.daddr = Int32Array.from(record.daddr);
    this.proto = record.proto;
    this.spi = record.spi | 0;
    this.markValue = record.mark.value | 0;
    this.markMask = record.mark.mask | 0;
    this.reqid = record.reqid | 0;
    this.mode = record.mode;
    this.selector = new Selector(record.sel);
    this.addTime = record.addTime;
    this.replayKind = record.inputRefused ? REPLAY_BITMAP : KINDS[record.replayKind];
    if (record.inputRefused) markAllSeen(i32);
    this.#lastSequence = lastSequence(record.replayKind === "esn");
    this.replayWindow = Math.min(record.replayWindow, BITMAP_WORDS * 32);
    this.f64 = f64;
    this.i32 = i32;
    this.dontEncapDscp = (record.extraFlags & XfrmExtraFlagBit["dont-encap-dscp"]) !== 0;
    this.tfcpad = record.tfcpad;
    this.ivLength = shape.ivLength;
    this.icvLength = shape.icvLength;
    this.blockSize = shape.blockSize;
    this.ahBytes = shape.ahBytes;
    this.ahFullBytes = shape.ahFullBytes;
    this.#fixedBytes = shape.fixedBytes;
    this.numbered = record.proto === IPPROTO_ESP || record.proto === IPPROTO_AH;
    this.expiry = f64[CELL_EXPIRY];
    this.#backend = backend;
    this.#spec = record.transform;
    this.#setAttributes(record);
  }

  /** Makes the SA, which owns the keys of its record, or says why its algorithms or keys won't do. */
  static create(record: XfrmStateRecord, backend: CryptoBackend): XfrmState | CryptoRefusal {
    const shape = findShape(record, backend);
    if (!("errno" in shape)) return new XfrmState(record, backend, shape);
    zeroKeys(record.transform);
    return shape;
  }

  /** A reserved SPI, whose keys are still to come. */
  static reserve(record: Omit<XfrmStateRecord, "cells">, backend: CryptoBackend): XfrmState {
    const state = new XfrmState({ ...record, cells: makeXfrmCells() }, backend, NO_SHAPE);
    state.expiry = EXPIRY_ACQUIRING;
    return state;
  }

  /** xfrm_state_update() of a valid SA; keys and window stay, dying ends. */
  update(change: XfrmStateUpdate): void {
    this.#setAttributes(change);
    if (this.expiry === EXPIRY_DYING) this.setExpiry(EXPIRY_VALID);
  }

  #setAttributes(change: XfrmStateUpdate): void {
    this.encapType = change.encapType;
    this.encapPorts = (change.encapSport << 16) | change.encapDport;
    this.mappedSrc = this.saddr[0];
    this.mappedPort = change.encapSport;
    this.encapBytes = encapBytes(change.encapType);
    this.outputMark = change.outputMark;
    this.lifetime = change.lifetime;
    this.noecn = (change.flags & XfrmStateFlagBit.noecn) !== 0;
    this.decapDscp = (change.flags & XfrmStateFlagBit["decap-dscp"]) !== 0;
    this.nopmtudisc = (change.flags & XfrmStateFlagBit.nopmtudisc) !== 0;
    this.wildrecv = (change.flags & XfrmStateFlagBit.wildrecv) !== 0;
  }

  get isTunnel(): boolean {
    return this.mode === XfrmModeNumber.tunnel;
  }

  /** Bytes that go behind the payload at the most: padding, pad length, next header, ICV. */
  get tailBytes(): number {
    return this.proto === IPPROTO_ESP ? this.blockSize - 1 + esp.TRAILER_BYTES + this.icvLength : 0;
  }

  /** Bytes that go before the payload, the outer header of tunnel mode included (x->props.header_len). */
  get headerBytes(): number {
    return this.#fixedBytes + this.encapBytes;
  }

  /** xfrm_mark rule: an SA without a mark takes any. */
  takesMark(mark: number): boolean {
    return (mark & this.markMask) === this.markValue;
  }

  setExpiry(expiry: number): void {
    this.expiry = expiry;
    this.f64[CELL_EXPIRY] = expiry;
  }

  /**
   * xfrm_state_check_expire(): what the packet that is about to be counted meets. `now` is XfrmTable.now.
   * A hard limit of N lets exactly N packets pass; the packet that crosses a byte limit passes too.
   */
  checkExpire(now: number): number {
    const f64 = this.f64;
    if (f64[CELL_USE_TIME] === 0) f64[CELL_USE_TIME] = now;
    const limit = this.lifetime;
    const bytes = f64[CELL_BYTES];
    const packets = f64[CELL_PACKETS];
    if (bytes >= limit.hardBytes || packets >= limit.hardPackets) {
      this.setExpiry(EXPIRY_EXPIRED);
      return HARD_EXPIRED;
    }
    if (this.expiry === EXPIRY_VALID && (bytes >= limit.softBytes || packets >= limit.softPackets)) {
      this.setExpiry(EXPIRY_DYING);
      return SOFT_EXPIRED;
    }
    return ALIVE;
  }

  count(bytes: number): void {
    this.f64[CELL_BYTES] += bytes;
    this.f64[CELL_PACKETS]++;
  }

  /**
   * Takes the next sequence number into oseqLo and oseqHi, for good: also when the packet then fails.
   * False when the SA has none left.
   */
  nextSequence(): boolean {
    if (this.oseq >= this.#leaseEnd && !this.#lease()) return false;
    const seq = this.oseq + 1;
    this.oseq = seq;
    this.oseqLo = seq | 0;
    this.oseqHi = Math.floor(seq / TWO_32) | 0;
    this.f64[CELL_OSEQ] = seq;
    return true;
  }

  /** An SA that starts at a number inside its first lease (replay-oseq) goes on from there. False: none to be had. */
  #lease(): boolean {
    const last = this.#lastSequence;
    const sent = this.f64[CELL_OSEQ];
    if (sent >= last) return false;
    const lease = takeLease(this, last);
    if (lease < 0) return false;
    const before = lease * LEASE_PACKETS;
    // Nobody else has had a number of this block, so one inside it is what the SA was given to start from.
    this.oseq = sent > before && sent < before + LEASE_PACKETS ? sent : before;
    this.#leaseEnd = Math.min(before + LEASE_PACKETS, last);
    return true;
  }

  /** Transform that seals, made at the first packet; null when the library fails at that. */
  sealer(): EspTransform | null {
    return this.#sealer ??= this.#create("out");
  }

  /** Transform that opens, made at the first packet; null when the library fails at that. */
  opener(): EspTransform | null {
    return this.#opener ??= this.#create("in");
  }

  /** MAC of AH, made at the first packet; null when the library fails at that. */
  auth(): AuthTransform | null {
    return this.#auth ??= this.#createAuth();
  }

  #createAuth(): AuthTransform | null {
    const { auth, esn } = this.#spec;
    const made = auth === undefined ? null : this.#backend.createAuth({ auth, esn });
    return made === null || "errno" in made ? null : made;
  }

  #create(direction: "in" | "out"): EspTransform | null {
    const made = this.#backend.create({ ...this.#spec, direction });
    return "errno" in made ? null : made;
  }

  /** Zeroes the keys, here and in the transforms. */
  destroy(): void {
    this.#sealer?.destroy();
    this.#opener?.destroy();
    this.#auth?.destroy();
    this.#sealer = this.#opener = this.#auth = null;
    zeroKeys(this.#spec);
  }
}

/** A bitmap window with no room above it, in which every number was seen: the replay check refuses whatever comes. */
function markAllSeen(i32: Int32Array): void {
  i32[WORD_SEQ] = -1;
  i32.fill(-1, WORD_BITMAP, WORD_BITMAP + BITMAP_WORDS);
}

function zeroKeys(spec: XfrmStateRecord["transform"]): void {
  spec.aead?.key.fill(0);
  spec.enc?.key.fill(0);
  spec.auth?.key.fill(0);
}
