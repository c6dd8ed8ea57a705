/** A queue on a ring that grows and keeps its size, so that a steady flow allocates nothing. */
export class Fifo<T> {
  #ring: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined);
  #head = 0;
  length = 0;

  push(item: T): void {
    if (this.length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.length++) & (this.#ring.length - 1)] = item;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.length--;
    return item;
  }

  #grow(): void {
    const old = this.#ring;
    const first = old.slice(this.#head);
    this.#ring = [...first, ...old.slice(0, this.#head), ...new Array<undefined>(old.length).fill(undefined)];
    this.#head = 0;
  }
}
