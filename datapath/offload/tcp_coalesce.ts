/** The TCP part of joining packets to a super-packet. Kernel: net/ipv4/tcp_offload.c tcp_gro_receive(). */
import * as tcp from "../wire/tcp.ts";

/** Flags that end a super-packet: the receiver shall see them at once. */
const ENDING = tcp.FIN | tcp.PSH;
/** Bits of FLAG_WORD that may differ between a super-packet and the packet that joins it. */
const DIFFERING = (ENDING | tcp.CWR) << 16;

/** True when other segments may join the one at `th`. */
export function tcpMayStart(view: DataView, th: number): boolean {
  const never = ENDING | tcp.SYN | tcp.RST | tcp.URG;
  return (view.getUint8(th + tcp.FLAGS) & never) === 0;
}

/**
 * True when the segment at `th` continues the one that started at `first` with `done` payload bytes so far: next in
 * sequence, same acknowledgment, window, flags and options. Both headers have `headerBytes` bytes. CWR in a later
 * segment would be lost.
 */
export function tcpMayJoin(
  piece: DataView,
  first: number,
  view: DataView,
  th: number,
  headerBytes: number,
  done: number,
): boolean {
  if ((piece.getInt32(first + tcp.SEQ) + done | 0) !== view.getInt32(th + tcp.SEQ)) return false;
  if (piece.getInt32(first + tcp.ACK_SEQ) !== view.getInt32(th + tcp.ACK_SEQ)) return false;
  const word = view.getInt32(th + tcp.FLAG_WORD);
  if (((piece.getInt32(first + tcp.FLAG_WORD) ^ word) & ~DIFFERING) !== 0) return false;
  if ((word & tcp.CWR << 16) !== 0) return false;
  for (let p = tcp.HEADER_BYTES; p < headerBytes; p += 4) {
    if (piece.getInt32(first + p) !== view.getInt32(th + p)) return false;
  }
  return true;
}

/** Takes FIN and PSH of the segment at `th` over. Returns true when it had one, so that nothing may follow. */
export function tcpJoinFlags(piece: DataView, first: number, view: DataView, th: number): boolean {
  const ending = view.getUint8(th + tcp.FLAGS) & ENDING;
  piece.setUint8(first + tcp.FLAGS, piece.getUint8(first + tcp.FLAGS) | ending);
  return ending !== 0;
}
