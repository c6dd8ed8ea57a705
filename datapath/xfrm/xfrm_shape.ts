/** What an SA's algorithms add to a packet (net/ipv4/esp4.c esp_init_state(), net/ipv4/ah4.c ah_init_state()). */
import type { CryptoBackend, CryptoRefusal } from "../esp/aead.ts";
import * as ah from "../wire/ah.ts";
import * as esp from "../wire/esp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import {
  IPPROTO_AH,
  IPPROTO_ESP,
  XfrmModeNumber,
  XfrmStateFlagBit,
  type XfrmStateRecord,
} from "./xfrm_record.ts";

export interface StateShape {
  /** Bytes before the payload but for UDP encapsulation; with the outer header in tunnel mode. */
  readonly fixedBytes: number;
  readonly ivLength: number;
  readonly icvLength: number;
  readonly blockSize: number;
  /** Bytes of an AH header with the ICV as it is sent, and with the whole MAC. */
  readonly ahBytes: number;
  readonly ahFullBytes: number;
}

/** Of an SA that adds nothing, or that is not there yet. */
export const NO_SHAPE: StateShape = {
  fixedBytes: 0,
  ivLength: 0,
  icvLength: 0,
  blockSize: 1,
  ahBytes: 0,
  ahFullBytes: 0,
};

/**
 * The shape of an SA, or why its algorithms or keys won't do. The transform made to find out is thrown away: an SA is
 * used one way as a rule, and its first packet tells which.
 */
export function findShape(record: XfrmStateRecord, backend: CryptoBackend): StateShape | CryptoRefusal {
  const shape = findTransform(record, backend);
  if ("errno" in shape || record.mode !== XfrmModeNumber.tunnel) return shape;
  return { ...shape, fixedBytes: shape.fixedBytes + ipv4.HEADER_BYTES };
}

function findTransform(record: XfrmStateRecord, backend: CryptoBackend): StateShape | CryptoRefusal {
  switch (record.proto) {
    case IPPROTO_ESP:
      return espShape(record, backend);
    case IPPROTO_AH:
      return ahShape(record, backend);
    default:
      return NO_SHAPE;
  }
}

function espShape({ transform }: XfrmStateRecord, backend: CryptoBackend): StateShape | CryptoRefusal {
  const sample = backend.create({ ...transform, direction: "out" });
  if ("errno" in sample) return sample;
  const { ivLength, icvLength, blockSize } = sample;
  sample.destroy();
  return { ...NO_SHAPE, fixedBytes: esp.HEADER_BYTES + ivLength, ivLength, icvLength, blockSize };
}

function ahShape({ transform, flags }: XfrmStateRecord, backend: CryptoBackend): StateShape | CryptoRefusal {
  const { auth, esn } = transform;
  if (auth === undefined) return { errno: "EINVAL", message: "AH without an authentication algorithm" };
  const sample = backend.createAuth({ auth, esn });
  if ("errno" in sample) return sample;
  const { icvLength, fullLength } = sample;
  sample.destroy();
  const align4 = (flags & XfrmStateFlagBit.align4) !== 0;
  const ahBytes = ah.headerBytes(icvLength, align4);
  const ahFullBytes = ah.headerBytes(fullLength, align4);
  return { ...NO_SHAPE, fixedBytes: ahBytes, icvLength, ahBytes, ahFullBytes };
}
