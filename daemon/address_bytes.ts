/** Addresses as rtnetlink takes them. */
import type { IpAddress } from "../actors/control/ip_address.ts";
import { AF_INET } from "../datapath/xfrm/xfrm_record.ts";

/** 4 or 16 bytes in network order. */
export function addressBytes({ family, words }: IpAddress): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(family === AF_INET ? 4 : 16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, words[at >> 2]!);
  return bytes;
}
