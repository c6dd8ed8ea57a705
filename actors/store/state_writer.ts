/**
 * What is to be written to the store, and what the disk made of it. Whoever writes waits a moment for the disk, and
 * goes on without it when it does not answer; nobody waits for a disk that is known to hang.
 */
import type { Changes, Database, ObjectRow } from "./database.ts";
import { type Disk, DiskThread, type Outcome } from "./disk_thread.ts";
import type { Grants } from "./grants.ts";

/** Milliseconds that a write is waited for. */
const WAIT_MS = 2000;
/** Time between two lines that say the same. */
const REPEAT_MS = 60_000;
const HANGS = new Error("the disk does not answer");

/** What a write has beside the objects and bounds that wait to be written. */
export type More = Omit<Changes, "objects">;

/** A write that the disk has not answered yet. */
interface UnderWay {
  readonly since: number;
  readonly objects: ReadonlyMap<string, ObjectRow | null>;
  /** Bounds of SAs that are there already. */
  readonly wanted: ReadonlyMap<string, number>;
  /** To be called when it is on the disk. */
  readonly done: () => void;
}

export class StateWriter {
  readonly #dir: string;
  readonly #grants: Grants;
  readonly #log: (line: string) => void;
  #disk: Disk;
  /** What is to be written; null: the object is gone. */
  readonly #objects = new Map<string, ObjectRow | null>();
  #underWay: UnderWay | null = null;
  #saidFailing = false;
  #saidAt = -Infinity;

  /** Writes by `db` itself until handOver(). */
  constructor(db: Database, dir: string, grants: Grants, log: (line: string) => void) {
    this.#dir = dir;
    this.#grants = grants;
    this.#log = log;
    this.#disk = new DirectDisk(db);
  }

  /** From now on a thread has the database, at `path`. Throws an Error when it can't open it. */
  handOver(path: string): void {
    this.#disk.close();
    this.#disk = new DiskThread(path);
  }

  /** An object is to be written. */
  put(row: ObjectRow): void {
    this.#objects.set(row.identity, row);
  }

  /** An object is to be there no longer. */
  remove(identity: string): void {
    this.#objects.set(identity, null);
  }

  /** Something new is not to be there after all, though a disk that hangs may write it yet. */
  takeBack(identity: string): void {
    if (this.#underWay?.objects.has(identity)) this.remove(identity);
    else this.#objects.delete(identity);
  }

  get isWaiting(): boolean {
    return this.#objects.size > 0;
  }

  /** Writes all there is to write in one transaction, and waits. Null: it is on the disk; or why it may not be. */
  write(more: More): Error | null {
    if (this.#settle(true) === "under way") return HANGS;
    this.#begin(more, () => {});
    const outcome = this.#settle(true);
    return outcome === "done" ? null : outcome === "under way" ? HANGS : outcome;
  }

  /** The same without waiting; what can't be begun now is left for the next time. */
  writeSoon(more: More, done: () => void = () => {}): void {
    if (this.#settle(false) !== "under way") this.#begin(more, done);
  }

  /** Looks at what has become of the write under way. */
  look(): void {
    this.#settle(false);
  }

  #begin(more: More, done: () => void): void {
    const wanted = this.#grants.wanted();
    const grants = new Map([...wanted, ...more.grants ?? []]);
    const objects = new Map(this.#objects);
    this.#underWay = { since: performance.now(), objects, wanted, done };
    this.#disk.begin({ ...more, objects, grants });
  }

  /** What has become of the write under way; "done" also when there is none. */
  #settle(wait: boolean): Outcome {
    const underWay = this.#underWay;
    if (underWay === null) return "done";
    const left = Math.max(0, underWay.since + WAIT_MS - performance.now());
    const outcome = this.#disk.outcome(wait ? left : 0);
    if (outcome === "under way") {
      if (wait || left === 0) this.#failed(HANGS);
      return outcome;
    }
    this.#underWay = null;
    if (outcome === "done") this.#written(underWay);
    else this.#failed(outcome);
    return outcome;
  }

  #written({ objects, wanted, done }: UnderWay): void {
    // What was changed meanwhile is still to be written.
    for (const [identity, row] of objects) {
      if (this.#objects.get(identity) === row) this.#objects.delete(identity);
    }
    this.#grants.written(wanted);
    done();
    if (this.#saidFailing) this.#log(`State in ${this.#dir} is written again`);
    this.#saidFailing = false;
  }

  #failed({ message }: Error): void {
    const now = performance.now();
    if (now - this.#saidAt < REPEAT_MS) return;
    this.#saidFailing = true;
    this.#saidAt = now;
    this.#log(
      `Write state in ${this.#dir}: ${message}; changes are not kept, and SAs end when their sequence numbers that ` +
        "are on disk are used up",
    );
  }

  close(): void {
    this.#disk.close();
  }
}

/** A database of this thread. */
class DirectDisk implements Disk {
  readonly #db: Database;
  #outcome: Outcome = "done";

  constructor(db: Database) {
    this.#db = db;
  }

  begin(changes: Changes): void {
    try {
      this.#db.write(changes);
      this.#outcome = "done";
    } catch (error) {
      this.#outcome = error as Error;
    }
  }

  outcome(): Outcome {
    return this.#outcome;
  }

  close(): void {
    this.#db.close();
  }
}
