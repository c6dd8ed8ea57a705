/**
 * Where each key of a TOML document stands. The parser gives values without places, and a message about a wrong value
 * needs one. To be used on text that the parser has taken: what is no TOML is skipped without a word.
 */

/** From the top: names of keys, and indices within arrays. */
export type TomlPath = readonly (string | number)[];

/** Lines, from 1, of what a document says. */
export class TomlLines {
  readonly #lines = new Map<string, number>();
  /** Tables of each array of tables so far. */
  readonly #counts = new Map<string, number>();
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
    this.#document();
  }

  /** Line of the value at `path`; of what surrounds it when it isn't there; 1 when nothing does. */
  of(path: TomlPath): number {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(JSON.stringify(path.slice(0, length)));
      if (line !== undefined) return line;
    }
    return 1;
  }

  #document(): void {
    let table: TomlPath = [];
    for (this.#skip(); this.#at < this.#text.length; this.#skip()) {
      if (this.#peek() === "[") table = this.#header();
      else this.#pair(table);
    }
  }

  /** `[a.b]` or `[[a.b]]`: a path that leads through an array of tables means its last one. */
  #header(): TomlPath {
    const line = this.#line;
    const isArray = this.#text.startsWith("[[", this.#at);
    this.#at += isArray ? 2 : 1;
    const keys = this.#keys();
    this.#at += isArray ? 2 : 1;
    const path: (string | number)[] = [];
    for (const [i, key] of keys.entries()) {
      path.push(key);
      const array = JSON.stringify(path);
      if (isArray && i === keys.length - 1) {
        this.#note(path, line);
        this.#counts.set(array, (this.#counts.get(array) ?? 0) + 1);
      }
      const count = this.#counts.get(array);
      if (count !== undefined) path.push(count - 1);
    }
    this.#note(path, line);
    return path;
  }

  /** `a.b = value`. */
  #pair(table: TomlPath): void {
    const path = [...table];
    const line = this.#line;
    for (const key of this.#keys()) {
      path.push(key);
      this.#note(path, line);
    }
    // Past the sign; past anything at all, so that the document ends.
    this.#at++;
    this.#blanks();
    this.#value(path);
  }

  #value(path: TomlPath): void {
    switch (this.#peek()) {
      case '"':
      case "'":
        this.#string();
        break;
      case "[":
        this.#list("]", (i) => {
          this.#note([...path, i], this.#line);
          this.#value([...path, i]);
        });
        break;
      case "{":
        this.#list("}", () => this.#pair(path));
        break;
      default:
        this.#while(/[^,\]}#\r\n]/);
    }
  }

  #list(end: string, item: (i: number) => void): void {
    this.#at++;
    for (let i = 0;; i++) {
      this.#skip();
      if (this.#at >= this.#text.length) return;
      if (this.#peek() === end) break;
      item(i);
      this.#skip();
      if (this.#peek() === ",") this.#at++;
      else break;
    }
    this.#skip();
    if (this.#peek() === end) this.#at++;
  }

  #keys(): string[] {
    const keys = [];
    do {
      this.#blanks();
      if (this.#peek() === ".") this.#at++;
      this.#blanks();
      keys.push(this.#key());
      this.#blanks();
    } while (this.#peek() === ".");
    return keys;
  }

  #key(): string {
    const start = this.#at;
    const quote = this.#peek();
    if (quote !== '"' && quote !== "'") {
      this.#while(/[\w-]/);
      return this.#text.slice(start, this.#at);
    }
    this.#string();
    return this.#text.slice(start + 1, this.#at - 1);
  }

  #string(): void {
    const quote = this.#peek()!;
    const end = this.#text.startsWith(quote.repeat(3), this.#at) ? quote.repeat(3) : quote;
    this.#at += end.length;
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      if (quote === '"' && this.#peek() === "\\") this.#step();
      this.#step();
    }
    this.#at += end.length;
    // Up to two quotes may stand before the three that end the string.
    while (end.length === 3 && this.#peek() === quote) this.#at++;
  }

  #blanks(): void {
    this.#while(/[ \t]/);
  }

  /** Blanks, ends of lines, comments. */
  #skip(): void {
    for (;;) {
      this.#while(/[\s\ufeff]/);
      if (this.#peek() !== "#") return;
      this.#while(/[^\n]/);
    }
  }

  #while(allowed: RegExp): void {
    while (this.#at < this.#text.length && allowed.test(this.#peek()!)) this.#step();
  }

  #step(): void {
    if (this.#text[this.#at++] === "\n") this.#line++;
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #note(path: TomlPath, line: number): void {
    const key = JSON.stringify(path);
    if (!this.#lines.has(key)) this.#lines.set(key, line);
  }
}
