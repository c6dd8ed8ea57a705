/**
 * An SA as the store has it: the request that would make it again, without its keys, and what a request can't say.
 */
import type { XfrmStateInfo, XfrmStateRequest } from "../gateway.ts";
import { viewXfrmCells } from "../../datapath/xfrm/xfrm_cells.ts";
import type { Kept, Slot } from "./keeper.ts";
import { ok, type Result } from "./kernel_error.ts";
import type { XfrmUserDeps } from "./xfrm_deps.ts";
import { formatKey } from "./xfrm_key.ts";
import { constructState } from "./xfrm_state_construct.ts";
import { type StateEntry, stateInfo } from "./xfrm_state_info.ts";

interface StateBody {
  readonly number: number;
  /** By XfrmUserDeps.now(). */
  readonly addTime: number;
  readonly dying: boolean;
  readonly request: XfrmStateRequest;
}

export interface KeptState {
  readonly slot: Slot;
  readonly body: unknown;
  readonly secret: Uint8Array;
}

/** Algorithms with a key, in the order of their keys in the secret. */
const KEYED = ["aead", "enc", "auth"] as const;

/** Moves an SA's cells into memory that outlives the process. */
export function moveToSlot(entry: StateEntry, slot: Slot): StateEntry {
  const { f64, i32 } = entry.cells;
  useSlot(entry, slot);
  entry.cells.f64.set(f64);
  entry.cells.i32.set(i32);
  return entry;
}

function useSlot(entry: StateEntry, slot: Slot): StateEntry {
  entry.cells = viewXfrmCells(slot.memory);
  entry.slot = slot;
  entry.record = { ...entry.record, cells: slot.address };
  return entry;
}

export function keptState(entry: StateEntry, deps: XfrmUserDeps): Kept & KeptState {
  const { record, dying } = entry;
  const body: StateBody = {
    number: record.number,
    addTime: record.addTime,
    dying,
    request: requestOf(stateInfo(entry, false, deps)),
  };
  const keys = KEYED.map((name) => record.transform[name]?.key ?? new Uint8Array());
  return { kind: "state", slot: entry.slot!, body, secret: joinKeys(keys) };
}

/** The SA of a row, with its old number. It is in no table yet. */
export function restoredState(
  body: unknown,
  secret: Uint8Array,
  slot: Slot,
  deps: XfrmUserDeps,
): Result<StateEntry> {
  const { number, addTime, dying, request } = body as StateBody;
  const keys = splitKeys(secret);
  const keyed = KEYED.flatMap((name, i) =>
    request[name] === undefined ? [] : [[name, { ...request[name], key: formatKey(keys[i]!) }]]
  );
  const made = constructState({ ...request, ...Object.fromEntries(keyed) }, deps);
  if (!made.ok) return made;
  const entry = useSlot(made.value, slot);
  entry.dying = dying;
  const inputRefused = slot.lost && entry.record.replayWindow > 0;
  entry.record = { ...entry.record, number, addTime, inputRefused };
  return ok(entry);
}

/** What would make this SA anew. Where its numbers stand is in its cells. */
function requestOf(info: XfrmStateInfo): XfrmStateRequest {
  const { replay: _replay, lifetime: _lifetime, stats: _stats, input_refused: _, sel, ...rest } = info;
  const keyed = KEYED.flatMap((name) => {
    if (rest[name] === undefined) return [];
    const { key_bits: _bits, ...algorithm } = rest[name] as { key_bits: number };
    return [[name, { ...algorithm, key: "" }]];
  });
  return { ...rest, ...(sel && { sel }), ...Object.fromEntries(keyed) } as XfrmStateRequest;
}

/** Each key behind its length in two bytes. */
function joinKeys(keys: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(keys.reduce((sum, key) => sum + 2 + key.length, 0));
  let at = 0;
  for (const key of keys) {
    joined.set([key.length >> 8, key.length & 255], at);
    joined.set(key, at + 2);
    at += 2 + key.length;
  }
  return joined;
}

function splitKeys(joined: Uint8Array): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (let at = 0; at < joined.length;) {
    const end = at + 2 + (joined[at]! << 8 | joined[at + 1]!);
    keys.push(joined.subarray(at + 2, end));
    at = end;
  }
  return keys;
}
