/** What a writev of a super-packet's pieces would write. */
import type { Batch } from "../../datapath/batch.ts";
import type { Coalescer } from "../../datapath/offload/coalesce.ts";

/** The arguments are those of CoalesceSink.writeSuperPacket. */
export function gathered(
  { headers, parts }: Coalescer,
  batch: Batch,
  offset: number,
  headerBytes: number,
  part: number,
  packets: number,
): Uint8Array<ArrayBuffer> {
  const bytes = [...headers.subarray(offset, offset + headerBytes)];
  for (let k = 0; k < packets; k++) {
    const at = parts[part + 2 * k]!;
    bytes.push(...batch.u8.subarray(at, at + parts[part + 2 * k + 1]!));
  }
  return Uint8Array.from(bytes);
}
