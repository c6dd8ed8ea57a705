/**
 * Where a worker's time goes: one kind of work at a time, told by marks around calls.
 *
 * A mark costs a reading of the clock, about as much as an FFI call, so the times of the shortest calls come out high;
 * `markNs` says by how much. The loop that waits is the only one whose time is not work.
 */

/** What a kind of work has come to. */
export interface Tally {
  readonly name: string;
  calls: number;
  /** What the calls moved: packets, bytes or messages, as the kind says. */
  items: number;
  ns: number;
}

export interface WorkerReport {
  readonly thread: number;
  readonly wallNs: number;
  /** User and system time of the thread, from the kernel. */
  readonly userNs: number;
  readonly systemNs: number;
  readonly markNs: number;
  readonly tallies: readonly Tally[];
}

/** Kernel ticks a second in /proc (USER_HZ). */
const USER_HZ = 100;

export class Probe {
  readonly #tallies: Tally[] = [];
  readonly #base = this.kind("JavaScript");
  #current = this.#base;
  #since = performance.now();
  #start = this.#since;
  #startTimes: readonly [number, number] = [0, 0];

  /** Makes a kind of work. */
  kind(name: string): Tally {
    const tally = { name, calls: 0, items: 0, ns: 0 };
    this.#tallies.push(tally);
    return tally;
  }

  /** Work of this kind begins; returns what it interrupts, for leave(). */
  enter(tally: Tally): Tally {
    const before = this.#current;
    this.#charge();
    this.#current = tally;
    tally.calls++;
    return before;
  }

  leave(before: Tally): void {
    this.#charge();
    this.#current = before;
  }

  #charge(): void {
    const now = performance.now();
    this.#current.ns += (now - this.#since) * 1e6;
    this.#since = now;
  }

  /** Forgets what was counted so far. */
  reset(): void {
    for (const tally of this.#tallies) tally.calls = tally.items = tally.ns = 0;
    this.#start = this.#since = performance.now();
    this.#startTimes = threadTimes();
  }

  report(): WorkerReport {
    this.#charge();
    const [user, system] = threadTimes();
    return {
      thread: threadId(),
      wallNs: (performance.now() - this.#start) * 1e6,
      userNs: user - this.#startTimes[0],
      systemNs: system - this.#startTimes[1],
      markNs: costOfMark(),
      tallies: this.#tallies,
    };
  }

  /** `call` with marks around it; `items` tells from its result and arguments what it moved. */
  wrap<A extends unknown[], R>(
    name: string,
    call: (...args: A) => R,
    items: (result: R, args: A) => number,
  ): (...args: A) => R {
    const tally = this.kind(name);
    return (...args) => {
      const before = this.enter(tally);
      const result = call(...args);
      this.leave(before);
      tally.items += items(result, args);
      return result;
    };
  }
}

function threadId(): number {
  return Number(Deno.readLinkSync("/proc/thread-self").split("/").at(-1));
}

/** utime and stime of the calling thread, nanoseconds: proc(5), fields 14 and 15 of stat. */
function threadTimes(): readonly [number, number] {
  const stat = Deno.readTextFileSync("/proc/thread-self/stat");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return [Number(fields[11]) * 1e9 / USER_HZ, Number(fields[12]) * 1e9 / USER_HZ];
}

function costOfMark(): number {
  const rounds = 20_000;
  const start = performance.now();
  for (let i = 0; i < rounds; i++) performance.now();
  return (performance.now() - start) * 1e6 / rounds;
}
