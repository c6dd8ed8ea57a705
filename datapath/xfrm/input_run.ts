/**
 * A run: packets of a batch that follow each other with the same outer header and the same SPI. The outer policy check
 * and the search for the SA give for each what they gave for the one before.
 */
import { type Batch, IKEY, LENGTH, OFFSET, OUTER_DST, OUTER_PROTO, OUTER_SRC, UDP_PORTS } from "../batch.ts";
import * as esp from "../wire/esp.ts";
import { IPPROTO_ESP } from "./xfrm_record.ts";
import type { XfrmState } from "./xfrm_state.ts";

export class InputRun {
  #state: XfrmState | null = null;
  /** A packet of the run, in the batch that is being received. */
  #index = 0;
  #generation = 0;

  /** Another batch begins, or another second. */
  end(): void {
    this.#state = null;
  }

  /** Packet `i` has passed the outer policy check, and `state` was found for it. */
  begin(i: number, state: XfrmState, generation: number): void {
    this.#state = state.proto === IPPROTO_ESP ? state : null;
    this.#index = i;
    this.#generation = generation;
  }

  /** The SA of packet `i` when it continues the run, else null. */
  stateOf(batch: Batch, i: number, generation: number): XfrmState | null {
    const state = this.#state;
    if (state === null || generation !== this.#generation) return null;
    const { i32, view } = batch;
    const k = this.#index;
    const other = (i32[OUTER_SRC + i] ^ i32[OUTER_SRC + k]) | (i32[OUTER_DST + i] ^ i32[OUTER_DST + k]) |
      (i32[OUTER_PROTO + i] ^ i32[OUTER_PROTO + k]) | (i32[UDP_PORTS + i] ^ i32[UDP_PORTS + k]) |
      (i32[IKEY + i] ^ i32[IKEY + k]);
    if (other !== 0 || !esp.checkLen(i32[LENGTH + i])) return null;
    return esp.getSpi(view, i32[OFFSET + i]) === state.spi ? state : null;
  }
}
