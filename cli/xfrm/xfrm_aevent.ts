/**
 * Aevents of `ip xfrm monitor`: SAs whose sequence numbers have moved (iproute2 ip/xfrm_monitor.c xfrm_ae_print()). Linux
 * tells after every two packets and, when there are no more, after a second (net.core.xfrm_aevent_rseqth and _etime); a
 * gateway is asked once a second, by the client that wants to know.
 */
import type { Command } from "../main.ts";
import type { XfrmStateInfo } from "../../api/schemas.ts";

/** Milliseconds: xfrm_aevent_etime, 10 tenths of a second. */
const PERIOD_MS = 1000;
/** Packets: xfrm_aevent_rseqth. */
const THRESHOLD = 2;

type Replay = Pick<XfrmStateInfo["replay"], "seq" | "oseq" | "seq_hi" | "oseq_hi">;

/** What was told of each SA, by its identity. */
export type Told = Map<string, Replay>;

/** Prints what moves until `signal` ends it. */
export async function watchReplay(command: Command, signal: AbortSignal): Promise<void> {
  const { api, netns, print } = command;
  const told: Told = new Map();
  while (await pause(signal)) {
    // What fails of the daemon ends the stream of its events too, which says so.
    const answer = await api.ask<XfrmStateInfo[]>("GET", `${netns}/xfrm/states`).catch(() => null);
    if (answer?.ok && !signal.aborted) print(aevents(answer.value, told));
  }
}

/** The events of what has moved since it was told. A state that is seen for the first time is where it begins. */
export function aevents(states: readonly XfrmStateInfo[], told: Told): string {
  let text = "";
  for (const { src, dst, proto, spi, reqid, mark, replay } of states) {
    const id = [src, dst, proto, spi, mark?.value, mark?.mask].join(" ");
    const before = told.get(id);
    told.set(id, replay);
    const moved = before === undefined ? 0 : Math.max(
      distance(before.seq, before.seq_hi, replay.seq, replay.seq_hi),
      distance(before.oseq, before.oseq_hi, replay.oseq, replay.oseq_hi),
    );
    if (moved === 0) continue;
    const why = moved < THRESHOLD ? "(0x20)  timer expired " : "(0x10)  replay update ";
    text += `Async event  ${why}\n\tsrc ${src} dst ${dst}  reqid 0x${reqid.toString(16)} ` +
      `protocol ${proto}  SPI 0x${spi.toString(16)}\n`;
  }
  return text;
}

/** Packets between two sequence numbers of 64 bits. */
function distance(low: number, high: number, nowLow: number, nowHigh: number): number {
  return (nowHigh - high) * 2 ** 32 + nowLow - low;
}

/** False when `signal` came first. */
function pause(signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), PERIOD_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    }, { once: true });
  });
}
