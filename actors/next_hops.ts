/**
 * Whether a batch may be sent past the kernel's IP layer, and where to: for packets to one peer on an Ethernet device,
 * in a namespace without packet filters. Everything else is the raw socket's, whose packets the kernel routes.
 *
 * The kernel keeps its neighbours fresh only while it uses them. So once in KERNEL_TURN_MS it is given a batch of each
 * peer: it then asks a neighbour that it has not heard of, and what it finds out clears this table.
 */
import {
  type Batch,
  COUNT,
  LENGTH,
  OUTER_DF,
  OUTER_DST,
  OUTER_SRC,
  OUTER_TOS,
  PATH_MTU,
  REASON,
} from "../datapath/batch.ts";
import type { NextHop, NextHopLookup } from "../ffi/next_hop.ts";
import type { PacketFilters } from "../ffi/netfilter.ts";
import { isUdpOf, type UdpPorts } from "../ffi/raw_socket.ts";

const KERNEL_TURN_MS = 1000;
/** Time between two looks for packet filters while batches are sent. */
const FILTERS_MS = 1000;
/** Peers at the most; one more and all start over. */
const MAX_PEERS = 65_536;
/** TOS bits that routing looks at (IPTOS_RT_MASK). */
const TOS_MASK = 0x1c;

interface Peer {
  readonly src: number;
  readonly tos: number;
  readonly hop: NextHop | null;
  kernelTurn: number;
}

export class NextHops {
  readonly #lookup: NextHopLookup;
  readonly #filters: PacketFilters;
  readonly #peers = new Map<number, Peer>();
  #filtered = true;
  #filtersTurn = 0;

  constructor(lookup: NextHopLookup, filters: PacketFilters) {
    this.#lookup = lookup;
    this.#filters = filters;
  }

  /** What the kernel knows of routes, devices or neighbours has changed. */
  clear(): void {
    this.#peers.clear();
  }

  /**
   * Next hop of all packets of the batch that are to be sent and that no UdpSender of one of `udpPorts` takes. Null when the
   * kernel has to send them: there is no such hop, they go to several, one is longer than the device or the path takes,
   * or it is the kernel's turn.
   */
  find(batch: Batch, udpPorts: UdpPorts, nowMs: number): NextHop | null {
    const i32 = batch.i32;
    const first = firstOf(i32, udpPorts);
    if (first < 0 || this.#isFiltered(nowMs)) return null;
    const dst = i32[OUTER_DST + first];
    const src = i32[OUTER_SRC + first];
    const tos = i32[OUTER_TOS + first] & TOS_MASK;
    const longest = longestOf(i32, first, udpPorts);
    if (longest < 0) return null;
    const hop = this.#hopOf(dst, src, tos, nowMs);
    return hop !== null && longest <= hop.mtu ? hop : null;
  }

  #isFiltered(nowMs: number): boolean {
    if (nowMs >= this.#filtersTurn) {
      this.#filtersTurn = nowMs + FILTERS_MS;
      this.#filtered = this.#filters.exist();
    }
    return this.#filtered;
  }

  #hopOf(dst: number, src: number, tos: number, nowMs: number): NextHop | null {
    const peer = this.#peers.get(dst);
    if (peer !== undefined && peer.src === src && peer.tos === tos) {
      if (nowMs < peer.kernelTurn) return peer.hop;
      if (peer.hop !== null) {
        peer.kernelTurn = nowMs + KERNEL_TURN_MS;
        return null;
      }
    }
    const hop = this.#lookup.find(dst >>> 0, src >>> 0, tos);
    if (this.#peers.size >= MAX_PEERS) this.#peers.clear();
    this.#peers.set(dst, { src, tos, hop, kernelTurn: nowMs + KERNEL_TURN_MS });
    return hop;
  }
}

/** First packet that is to be sent, -1 none. */
function firstOf(i32: Int32Array, udpPorts: UdpPorts): number {
  for (let i = 0, count = i32[COUNT]; i < count; i++) if (isSent(i32, i, udpPorts)) return i;
  return -1;
}

/** Bytes of the longest packet to be sent; -1 when not all go where `first` goes, or one has to be fragmented. */
function longestOf(i32: Int32Array, first: number, udpPorts: UdpPorts): number {
  let longest = 0;
  for (let i = first, count = i32[COUNT]; i < count; i++) {
    if (!isSent(i32, i, udpPorts)) continue;
    if (i32[OUTER_DST + i] !== i32[OUTER_DST + first] || i32[OUTER_SRC + i] !== i32[OUTER_SRC + first]) {
      return -1;
    }
    if (((i32[OUTER_TOS + i] ^ i32[OUTER_TOS + first]) & TOS_MASK) !== 0) return -1;
    const length = i32[LENGTH + i];
    if (i32[OUTER_DF + i] === 0 && i32[PATH_MTU + i] !== 0 && length > i32[PATH_MTU + i]) return -1;
    if (length > longest) longest = length;
  }
  return longest;
}

function isSent(i32: Int32Array, i: number, udpPorts: UdpPorts): boolean {
  return i32[REASON + i] === 0 && !isUdpOf(i32, i, udpPorts);
}
