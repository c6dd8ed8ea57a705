/** Sequence numbers in every order, for replay windows of every kind: repeated, late, far ahead, and past 2^32. */
import { Random } from "../../fuzz/random.ts";
import { echo, ipv4, PROTO } from "./crafted_packets.ts";
import {
  type FailureCase,
  INNER_LOCAL,
  INNER_REMOTE,
  LOCAL,
  REMOTE,
  SPI_IN,
  tunnel,
} from "./failure_case.ts";
import { SEALS, sealWithEsn } from "./seals.ts";

/** Packets of a case. */
const PACKETS = 30;
const CYCLE = 2 ** 32;
/** Packets: none, the legacy bitmap, the larger one and the edges of its words. */
const WINDOWS = [0, 1, 31, 32, 33, 64, 100, 4096];
/** Linux has the bits of 0 and of what comes behind 2^32 where they belong only if the window is a power of two. */
const ROUND_WINDOWS = WINDOWS.filter((size) => size > 0 && (size & (size - 1)) === 0);

function replays(name: string, size: number, isEsn: boolean, first: number): FailureCase {
  const words = [
    `replay-window ${size}`,
    ...(isEsn ? ["flag esn"] : []),
    ...(first > 0 ? [`replay-seq ${first % CYCLE} replay-seq-hi ${Math.floor(first / CYCLE)}`] : []),
  ].join(" ");
  const stateIn =
    `xfrm state add src ${REMOTE} dst ${LOCAL} proto esp spi ${SPI_IN} mode tunnel mark 7 ${words} ${
      (isEsn ? SEALS.nullEsn : SEALS.null).words
    }`;
  return {
    name: `replay: ${name}`,
    words: tunnel({ stateIn }),
    steps: numbers(new Random(size + first), size, first).map((number) => sealed(number, isEsn)),
  };
}

/** A peer's numbers, not all as it would send them: around the top, both edges of the window, and what came before. */
function numbers(random: Random, size: number, first: number): number[] {
  const sent: number[] = [];
  let top = first;
  while (sent.length < PACKETS) {
    const number = top + random.pick([
      ...[1, 1, 2, 1 + random.below(8), size, size + 1, 2 * size + 1],
      ...[0, -1, -random.below(8), -(size - 1), -size, -size - 1, -random.below(size + 1)],
      ...sent.slice(-3).map((earlier) => earlier - top),
    ]);
    if (number < 0) continue;
    sent.push(number);
    top = Math.max(top, number);
  }
  return sent;
}

function sealed(number: number, isEsn: boolean): Uint8Array {
  const seal = isEsn ? sealWithEsn(Math.floor(number / CYCLE)) : SEALS.null;
  const inner = ipv4({ src: INNER_REMOTE, dst: INNER_LOCAL, proto: PROTO.icmp }, echo(number & 0xffff, 8));
  const options = { spi: SPI_IN, seq: number % CYCLE, nextHeader: PROTO.ipip };
  return seal.seal({ src: REMOTE, dst: LOCAL }, options, inner);
}

export const REPLAY_CASES: readonly FailureCase[] = [
  ...WINDOWS.map((size) => replays(`window of ${size}`, size, false, size + 1000)),
  ...WINDOWS.map((size) => replays(`window of ${size}, last numbers`, size, false, CYCLE - 20)),
  ...WINDOWS.slice(1).map((size) => replays(`window of ${size}, ESN`, size, true, size + 1000)),
  ...ROUND_WINDOWS.flatMap((size) => [
    replays(`window of ${size}, first numbers`, size, false, 0),
    replays(`window of ${size}, ESN, first numbers`, size, true, 0),
    replays(`window of ${size}, ESN past 2^32`, size, true, CYCLE - 20),
    replays(`window of ${size}, ESN past 2^33`, size, true, 2 * CYCLE - 20),
  ]),
];
