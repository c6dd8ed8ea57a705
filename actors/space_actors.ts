/** The actors of one namespace: their numbers, where they are placed, and the letters they have not answered yet. */
import type { NetnsLetter, SaTableLetter } from "./messages.ts";
import type { Supervisor } from "./runtime/supervisor.ts";

export class SpaceActors {
  readonly netns: number;
  readonly saTable: number;
  /** All of them, with a word for each. */
  readonly words = new Map<number, string>();
  readonly #supervisor: Supervisor;
  /** Those that work together. */
  readonly #group: string;
  readonly #next: () => number;
  readonly #told = new Set<Promise<unknown>>();

  constructor(supervisor: Supervisor, inode: number, next: () => number) {
    this.#supervisor = supervisor;
    this.#group = String(inode);
    this.#next = next;
    this.netns = this.make("netns");
    this.saTable = this.make("SA table");
  }

  /** Number for a new actor. */
  make(word: string): number {
    const actor = this.#next();
    this.words.set(actor, word);
    return actor;
  }

  /** Makes the namespace's own two. */
  async start(): Promise<void> {
    await this.#supervisor.spawn(this.saTable, { group: this.#group, work: "alone" });
    await this.#supervisor.spawn(this.netns, { group: this.#group, work: "alone" });
  }

  /** A fallback device only gets what no other tunnel takes. */
  async spawnTunnel(actor: number, fallback: boolean): Promise<void> {
    await this.#supervisor.spawn(actor, { group: this.#group, work: fallback ? "idle" : "shared" });
  }

  /** Takes an actor away, then does what must wait until it no longer runs. */
  retire(actor: number, then: () => Promise<void>): void {
    const gone = this.#supervisor.remove(actor).finally(then).finally(() => this.words.delete(actor));
    this.#track(gone.catch(() => undefined));
  }

  async stop(): Promise<void> {
    await this.settled();
    await this.#supervisor.remove(this.netns);
    await this.#supervisor.remove(this.saTable);
  }

  tellNetns(letter: NetnsLetter): void {
    this.tell(this.netns, letter);
  }

  tellSaTable(letter: SaTableLetter, then?: () => void): void {
    this.tell(this.saTable, letter, then);
  }

  /**
   * A worker that fails meanwhile loses the letter; its successor starts from the present state, which has it. `then`
   * runs only once the actor has the letter and has answered.
   */
  tell(actor: number, letter: unknown, then?: () => void): void {
    this.#track(this.#supervisor.ask(actor, letter).then(then, () => undefined));
  }

  /** Resolves when everything told before is known. */
  async settled(): Promise<void> {
    while (this.#told.size > 0) await Promise.all(this.#told);
  }

  #track(promise: Promise<unknown>): void {
    this.#told.add(promise);
    promise.finally(() => this.#told.delete(promise));
  }
}
