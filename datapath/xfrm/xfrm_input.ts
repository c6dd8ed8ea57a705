/**
 * From an outer packet to the inner one (net/xfrm/xfrm_input.c xfrm_input(), xfrm4_remove_tunnel_encap()).
 *
 * One SA a packet, and no loop: a vti takes only tunnel mode, and tunnel mode ends the kernel's loop. A packet that was
 * nested comes out of the device as an IPsec packet for this host and goes in again as one of its own, as in the
 * kernel.
 */
import {
  type Batch,
  ENCAP,
  IKEY,
  INNER_LENGTH,
  LENGTH,
  OFFSET,
  OUTER_DST,
  OUTER_PROTO,
  OUTER_SRC,
  OUTER_TOS,
  SA,
  UDP_PORTS,
} from "../batch.ts";
import { DropReason } from "../drop_reason.ts";
import { ahInput } from "../ah/ah_input.ts";
import { BAD_FORMAT, BAD_ICV, espInput } from "../esp/esp_input.ts";
import { ipcompInput } from "../ipcomp/ipcomp_input.ts";
import * as ah from "../wire/ah.ts";
import * as esp from "../wire/esp.ts";
import * as ipcomp from "../wire/ipcomp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { extractHeader, removeBeetEncap } from "./xfrm4_beet.ts";
import { CELL_FAILED } from "./xfrm_cells.ts";
import {
  AF_INET,
  AF_INET6,
  IPPROTO_AH,
  IPPROTO_COMP,
  IPPROTO_ESP,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  XfrmModeNumber,
} from "./xfrm_record.ts";
import { xfrmReplayAdvance, xfrmReplayCheck, xfrmReplaySeqHi } from "./xfrm_replay.ts";
import { ALIVE, EXPIRY_ACQUIRING, EXPIRY_EXPIRED, HARD_EXPIRED, type XfrmState } from "./xfrm_state.ts";
import type { XfrmTable } from "./xfrm_table.ts";

/**
 * The SA of packet `i` by mark, destination, SPI and protocol; its sequence number is in table.seq then, 0 where the
 * protocol has none. Null, with table.reason set, when there is no SA.
 */
export function findState(table: XfrmTable, batch: Batch, i: number): XfrmState | null {
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  const proto = i32[OUTER_PROTO + i];
  let spi = 0;
  if (proto === IPPROTO_ESP) {
    if (!esp.checkLen(length)) return refuse(table, DropReason.InHdrError);
    spi = esp.getSpi(view, at);
    table.seq = esp.getSeq(view, at);
  } else if (proto === IPPROTO_AH) {
    if (!ah.checkLen(length)) return refuse(table, DropReason.InHdrError);
    spi = ah.getSpi(view, at);
    table.seq = ah.getSeq(view, at);
  } else if (proto === IPPROTO_COMP) {
    if (!ipcomp.checkLen(length)) return refuse(table, DropReason.InHdrError);
    spi = ipcomp.getCpi(view, at);
    table.seq = 0;
  } else {
    return findCompanion(table, batch, i);
  }
  const state = table.states.lookup(i32[IKEY + i], i32[OUTER_DST + i], spi, proto);
  return state ?? refuse(table, DropReason.InNoStates);
}

/** Bare IP in IP is what IPComp leaves of a packet that does not get shorter: its SA has a companion for it. */
function findCompanion(table: XfrmTable, batch: Batch, i: number): XfrmState | null {
  const i32 = batch.i32;
  table.seq = 0;
  const state = table.states.lookup(i32[IKEY + i], i32[OUTER_DST + i], i32[OUTER_SRC + i], IPPROTO_IPIP);
  return state ?? refuse(table, DropReason.InBareIpip);
}

function refuse(table: XfrmTable, reason: number): null {
  table.reason = reason;
  return null;
}

/**
 * 1. The SA is valid. 2. It is for packets encapsulated as this one is. 3. Replay check.
 * 4. Limits. 5. Tunnel mode, or BEET. Returns a DropReason.
 */
export function checkState(table: XfrmTable, batch: Batch, i: number, state: XfrmState): number {
  const { i32 } = batch;
  if (state.expiry >= EXPIRY_EXPIRED) {
    return state.expiry === EXPIRY_ACQUIRING ? DropReason.InAcquire : DropReason.InStateInvalid;
  }
  if (state.encapType !== i32[ENCAP + i]) return DropReason.InStateMismatch;
  if (!xfrmReplayCheck(state, table.seq)) return DropReason.InStateSeqError;
  const expiry = state.checkExpire(table.now);
  if (expiry !== ALIVE) {
    table.expired(state, expiry);
    if (expiry === HARD_EXPIRED) return DropReason.InStateExpired;
  }
  if (state.isTunnel) return 0;
  if (state.mode !== XfrmModeNumber.beet) return DropReason.InStateModeError;
  extractHeader(batch, i);
  return 0;
}

/**
 * 1. High half of the sequence number. 2. The protocol's transform: ICV, decryption. 3. Replay advance, counters.
 * OFFSET and LENGTH then describe the payload. Returns its next header, or -1 with table.reason set.
 */
export function typeInput(table: XfrmTable, batch: Batch, i: number, state: XfrmState): number {
  const i32 = batch.i32;
  const seq = table.seq;
  const seqHi = xfrmReplaySeqHi(state, seq);
  const nextHeader = state.proto === IPPROTO_ESP
    ? espInput(batch, i, state, seqHi)
    : otherInput(table, batch, i, state, seqHi);
  if (nextHeader < 0) {
    if (nextHeader === BAD_ICV) state.f64[CELL_FAILED]++;
    table.reason = DropReason.InStateProtoError;
    return -1;
  }
  if (state.encapType !== 0) checkMapping(table, batch, i, state);
  xfrmReplayAdvance(state, seq, seqHi);
  const payload = i32[LENGTH + i];
  state.count(payload);
  i32[INNER_LENGTH + i] = payload;
  i32[SA + i] = state.number;
  return nextHeader;
}

/** Tells when an authentic packet came from elsewhere than the SA says: a NAT has changed (esp_input_done2()). */
function checkMapping(table: XfrmTable, batch: Batch, i: number, state: XfrmState): void {
  const src = batch.i32[OUTER_SRC + i];
  const port = batch.i32[UDP_PORTS + i] >>> 16;
  if (src === state.mappedSrc && port === state.mappedPort) return;
  state.mappedSrc = src;
  state.mappedPort = port;
  table.mapped(state);
}

function otherInput(table: XfrmTable, batch: Batch, i: number, state: XfrmState, seqHi: number): number {
  switch (state.proto) {
    case IPPROTO_AH:
      return ahInput(batch, i, state, seqHi);
    case IPPROTO_COMP:
      return ipcompInput(batch, i, table.compressor);
    case IPPROTO_IPIP:
      return batch.i32[OUTER_PROTO + i];
  }
  return BAD_FORMAT;
}

/**
 * Removes the tunnel: the next header must be an IP's, its header complete; then DSCP and ECN. Nothing else is checked:
 * a damaged inner header is the stack's to refuse. Returns the family to ask policies as, 0 when refused: that of the
 * SA's selector where it has one. NB: that may be another than the packet's, whose bytes are then read as what they are
 * not (vti_rcv_cb()).
 */
export function removeTunnelEncap(batch: Batch, i: number, state: XfrmState, nextHeader: number): number {
  if (!state.isTunnel) return removeBeetEncap(batch, i, state, nextHeader);
  const { i32, view } = batch;
  const at = i32[OFFSET + i];
  const length = i32[LENGTH + i];
  const outerTos = i32[OUTER_TOS + i];
  if (nextHeader === IPPROTO_IPIP) {
    if (!ipv4.checkLen(length)) return 0;
    if (ipv4.getVersion(view, at) !== 4) clearVersion(view, at);
    const tos = view.getUint8(at + ipv4.TOS);
    const after = innerTos(state, tos, outerTos);
    if (after !== tos) ipv4.setTos(view, at, after);
  } else if (nextHeader === IPPROTO_IPV6) {
    if (!ipv6.checkLen(length)) return 0;
    if (ipv4.getVersion(view, at) !== 6) clearVersion(view, at);
    const tos = ipv6.getTrafficClass(view, at);
    const after = innerTos(state, tos, outerTos);
    if (after !== tos) ipv6.setTrafficClass(view, at, after);
  } else return 0;
  return state.selector.family || (nextHeader === IPPROTO_IPIP ? AF_INET : AF_INET6);
}

/**
 * For an inner packet whose version is not that of its next header. Linux' stack takes it for what the next header says,
 * and drops it. A TUN device goes by the version alone and would let in as one what policies were asked as the other;
 * version 0 it refuses.
 */
function clearVersion(view: DataView, at: number): void {
  view.setUint8(at, view.getUint8(at) & 0x0f);
}

/**
 * decap-dscp takes the outer DSCP; a congestion mark goes in only where the inner packet knows ECN. NB: with IPComp
 * neither goes in, for ipcomp_input() leaves the transport header where no inner header is.
 */
function innerTos(state: XfrmState, inner: number, outer: number): number {
  if (state.proto === IPPROTO_COMP) return inner;
  let tos = state.decapDscp ? (outer & ~ipv4.ECN_MASK) | (inner & ipv4.ECN_MASK) : inner;
  if (!state.noecn && (outer & ipv4.ECN_MASK) === ipv4.ECN_CE && (inner & ipv4.ECN_MASK) !== 0) {
    tos |= ipv4.ECN_CE;
  }
  return tos;
}
