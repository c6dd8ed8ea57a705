/** What the sender and the receiver of datagrams share: addresses, and tables whose messages all have one memory. */
import { AF_INET, MESSAGES, MmsgTable } from "../../ffi/mmsg.ts";
import { nativeTable, SIN_ADDR, SIN_PORT, SOCKADDR_IN_BYTES } from "../../ffi/struct_layout.ts";

export const SOCK_DGRAM = 2;
/** Longest payload of datagrams that are joined, bytes, rounded up. */
export const MAX_PAYLOAD = 65_536;

/** Exported, so that it is never collected: the tables hold only its address. */
export const payload = nativeTable(MAX_PAYLOAD);

/** A sockaddr_in. */
export function socketAddress(address: string, port: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SOCKADDR_IN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(SIN_PORT, port);
  bytes.set(address.split(".").map(Number), SIN_ADDR);
  return bytes;
}

/** MESSAGES messages of `payload`, of these lengths in turn, each with so many bytes of control data. */
export function datagrams(lengths: readonly number[], control: number): MmsgTable {
  const table = new MmsgTable({ iovecs: 1, name: 0, control });
  for (let m = 0; m < MESSAGES; m++) {
    table.setIovecBase(m, 0, payload.lo, payload.hi, 0);
    table.setIovecLength(m, 0, lengths[m % lengths.length]);
  }
  return table;
}
