/**
 * The security association database of one netns (net/xfrm/xfrm_state.c): by number, by what a packet says
 * (destination, SPI, protocol), and by what a template asks for (destination, reqid).
 *
 * Every chain and list has the newest SA first, that is the largest number, in whatever order they were added: after
 * a restart the records come again.
 */
import { XfrmState } from "./xfrm_state.ts";
import { AF_INET } from "./xfrm_record.ts";

const INITIAL_BUCKETS = 64;

export class StateTable {
  readonly #byNumber: Map<number, XfrmState> = new Map();
  readonly #byPeer: Map<number, XfrmState[]> = new Map();
  #bySpi: (XfrmState | null)[] = new Array(INITIAL_BUCKETS).fill(null);

  get size(): number {
    return this.#byNumber.size;
  }

  get(number: number): XfrmState | undefined {
    return this.#byNumber.get(number);
  }

  insert(state: XfrmState): void {
    this.#byNumber.set(state.number, state);
    const key = peerHash(state.family, state.daddr, state.reqid);
    const list = this.#byPeer.get(key);
    if (list === undefined) {
      this.#byPeer.set(key, [state]);
    } else {
      const at = list.findIndex((s) => s.number < state.number);
      list.splice(at === -1 ? list.length : at, 0, state);
    }
    if (this.size > this.#bySpi.length) this.#rehash(this.#bySpi.length * 4);
    else this.#chain(state);
  }

  remove(state: XfrmState): void {
    this.#byNumber.delete(state.number);
    const key = peerHash(state.family, state.daddr, state.reqid);
    const list = this.#byPeer.get(key) ?? [];
    list.splice(list.indexOf(state), 1);
    if (list.length === 0) this.#byPeer.delete(key);
    const bucket = this.#bucket(state.daddr[0], state.spi, state.proto);
    const head = this.#bySpi[bucket];
    if (head === state) {
      this.#bySpi[bucket] = state.next;
    } else {
      for (let s = head; s !== null; s = s.next) if (s.next === state) s.next = state.next;
    }
    state.next = null;
  }

  /** xfrm_state_lookup() for an IPv4 destination: the newest SA that takes the mark, or null. */
  lookup(mark: number, daddr: number, spi: number, proto: number): XfrmState | null {
    let s = this.#bySpi[this.#bucket(daddr, spi, proto)];
    while (s !== null) {
      if (
        s.spi === spi && s.daddr[0] === daddr && s.proto === proto && s.family === AF_INET &&
        s.takesMark(mark)
      ) {
        return s;
      }
      s = s.next;
    }
    return null;
  }

  /** SAs towards a peer with exactly this reqid, newest first; other peers' may be among them. */
  towards(family: number, daddr: Int32Array, reqid: number): readonly XfrmState[] {
    return this.#byPeer.get(peerHash(family, daddr, reqid)) ?? NONE;
  }

  clear(): void {
    for (const state of this.#byNumber.values()) state.destroy();
    this.#byNumber.clear();
    this.#byPeer.clear();
    this.#bySpi.fill(null);
  }

  #bucket(daddr: number, spi: number, proto: number): number {
    let h = Math.imul(daddr, 0x9e3779b1) ^ Math.imul(spi ^ proto, 0x85ebca6b);
    h ^= h >>> 15;
    return h & (this.#bySpi.length - 1);
  }

  #chain(state: XfrmState): void {
    const bucket = this.#bucket(state.daddr[0], state.spi, state.proto);
    let before: XfrmState | null = null;
    let s = this.#bySpi[bucket];
    while (s !== null && s.number > state.number) {
      before = s;
      s = s.next;
    }
    state.next = s;
    if (before === null) this.#bySpi[bucket] = state;
    else before.next = state;
  }

  #rehash(buckets: number): void {
    this.#bySpi = new Array(buckets).fill(null);
    for (const state of this.#byNumber.values()) this.#chain(state);
  }
}

const NONE: readonly XfrmState[] = [];

function peerHash(family: number, daddr: Int32Array, reqid: number): number {
  let h = family ^ Math.imul(reqid, 0x85ebca6b);
  for (let i = 0; i < 4; i++) h = Math.imul(h ^ daddr[i], 0x9e3779b1);
  return h;
}
