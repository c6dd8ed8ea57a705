/** A state as `ip xfrm state` prints it (iproute2 ip/ipxfrm.c xfrm_state_info_print()). */
import type { Options } from "../options.ts";
import type { XfrmMark, XfrmStateInfo } from "../../api/schemas.ts";
import { EXTRA_FLAG_BITS, STATE_FLAG_BITS } from "./xfrm_flags.ts";
import {
  hex8,
  joinLines,
  printFlags,
  printId,
  printLifetime,
  printMark,
  printSelector,
} from "./xfrm_print.ts";

/** Words of a replay bitmap in one line. */
const WORDS_A_LINE = 8;

export function printState(state: XfrmStateInfo, options: Options, nokeys = false): string {
  const lines = [
    ...printHead(state, options),
    ...printAlgos(state, options, nokeys),
    ...printReplay(state.replay, state.replay_window),
    ...printTail(state, options),
  ];
  return joinLines(lines, options);
}

/** An expiry tells which state, not how it is keyed. */
export function printExpiredState(state: XfrmStateInfo, hard: boolean, options: Options): string {
  const lines = [...printHead(state, options), ...printTail(state, options), `\thard ${hard ? 1 : 0}`];
  return joinLines(lines, options);
}

function printHead(state: XfrmStateInfo, options: Options): string[] {
  const [addresses, id] = printId(state, true, options);
  const all = options.stats > 0;
  // The field is the legacy window's; a bitmap has its own.
  const window = state.replay.kind === "legacy" ? state.replay_window : 0;
  // Decimal digits behind 0x are iproute2's.
  const seq = all ? `seq 0x${String(state.seq).padStart(8, "0")} ` : "";
  const extras = Object.keys(EXTRA_FLAG_BITS).filter((name) =>
    (state.extra_flags as readonly string[]).includes(name)
  );
  const extra = extras.length === 0 ? "" : `extra_flag ${extras.join(" ")}`;
  const flags = printFlags(state.flags, STATE_FLAG_BITS, options, extra);
  const marks = (state.mark ? printMark(state.mark) : "") + printOutputMark(state.output_mark);
  const lines = [addresses, `\t${id}`, `\treplay-window ${window} ${seq}${flags}`];
  return marks === "" ? lines : [...lines, `\t${marks}`];
}

function printAlgos(
  { auth, aead, enc, comp, encap }: XfrmStateInfo,
  options: Options,
  nokeys: boolean,
): string[] {
  const keyed = (algo: { name: string; key: string; key_bits: number }) => {
    if (nokeys) return `${algo.name} <<Keys hidden>>`;
    return `${algo.name} ${algo.key}${
      options.stats > 0 && algo.key_bits > 0 ? ` (${algo.key_bits} bits)` : ""
    }`;
  };
  const lines: string[] = [];
  if (auth) lines.push(`\tauth-trunc ${keyed(auth)} ${auth.trunc_bits}`);
  if (aead) lines.push(`\taead ${keyed(aead)} ${aead.icv_bits}`);
  if (enc) lines.push(`\tenc ${keyed(enc)}`);
  if (comp) lines.push(`\tcomp ${keyed({ name: comp.name, key: "", key_bits: 0 })}`);
  if (encap) {
    lines.push(`\tencap type ${encap.type} sport ${encap.sport} dport ${encap.dport} addr ${encap.oaddr}`);
  }
  return lines;
}

function printReplay(replay: XfrmStateInfo["replay"], window: number): string[] {
  const { kind, seq, oseq, seq_hi, oseq_hi, bitmap } = replay;
  const hex = (value: number) => `0x${value.toString(16)}`;
  if (kind === "legacy") {
    return [`\tanti-replay context: seq ${hex(seq)}, oseq ${hex(oseq)}, bitmap ${hex8(bitmap[0] ?? 0)}`];
  }
  return [
    "\tanti-replay esn context:",
    `\t seq-hi ${hex(seq_hi)}, seq ${hex(seq)}, oseq-hi ${hex(oseq_hi)}, oseq ${hex(oseq)}`,
    `\t replay_window ${window}, bitmap-length ${bitmap.length}`,
    ...printBitmap(bitmap),
  ];
}

/** Highest word first. */
function printBitmap(bitmap: readonly number[]): string[] {
  const words = bitmap.map((word) => `${word.toString(16).padStart(8, "0")} `).reverse();
  const lines: string[] = [];
  for (let i = 0; i < words.length; i += WORDS_A_LINE) {
    lines.push(`\t ${words.slice(i, i + WORDS_A_LINE).join("")}`);
  }
  return lines;
}

function printTail(state: XfrmStateInfo, options: Options): string[] {
  const lines: string[] = [];
  if (state.if_id) lines.push(`\tif_id 0x${state.if_id.toString(16)}`);
  if (state.tfcpad) lines.push(`\ttfcpad ${state.tfcpad}`);
  if (state.sel !== null) lines.push(`\tsel ${printSelector(state.sel, options)}`);
  if (options.stats > 0) {
    const { replay_window, replay, failed } = state.stats;
    lines.push(...printLifetime(state.limits, state.lifetime), "\tstats:");
    lines.push(`\t  replay-window ${replay_window} replay ${replay} failed ${failed}`);
  }
  return lines;
}

function printOutputMark(mark: XfrmMark | undefined): string {
  return mark === undefined ? "" : `output-mark 0x${mark.value.toString(16)}/0x${mark.mask.toString(16)}`;
}
