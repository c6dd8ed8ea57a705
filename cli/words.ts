/** The words of a command line, read from left to right. */
import { incompleteCommand } from "./quit.ts";

export class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  /** The next word, not taken; undefined at the end. */
  peek(): string | undefined {
    return this.#words[this.#at];
  }

  /** Takes the next word; quits when there is none (NEXT_ARG of iproute2). */
  take(): string {
    const word = this.#words[this.#at];
    if (word === undefined) throw incompleteCommand();
    this.#at++;
    return word;
  }

  /** How many are taken. */
  get position(): number {
    return this.#at;
  }

  /** The words taken since there were `position`. */
  since(position: number): readonly string[] {
    return this.#words.slice(position, this.#at);
  }

  /** The word taken last; "" before the first. */
  get last(): string {
    return this.#words[this.#at - 1] ?? "";
  }
}

/** True when `word` is `full` or a beginning of it. An empty word matches nothing. */
export function matches(word: string, full: string): boolean {
  return word !== "" && full.startsWith(word);
}
