/**
 * Keepers with a state directory. Objects and bounds are in its database; counters, windows and leases in a file of
 * cells that is kept in memory and so outlives the process, but not the boot.
 *
 * At the start, the cells of each object are
 *   1. what the file of cells has, when it is of this boot and the store knows it: exact, whatever ended the process;
 *   2. else what the store saved at a clean end: exact;
 *   3. else lost. Counters begin at the last copy. Sequence numbers go on at the bound on disk. A replay window is not
 *      known, and the SA takes nothing any more.
 */
import { readProcFile } from "../../ffi/proc_file.ts";
import { viewXfrmCells } from "../../datapath/xfrm/xfrm_cells.ts";
import type { Slot } from "../control/keeper.ts";
import { wallOffset } from "../steady_clock.ts";
import { CellMemory, newIdentity } from "./cell_memory.ts";
import type { Contents, Database, ObjectRow } from "./database.ts";
import { Grants, resumeAtBound } from "./grants.ts";
import type { Keepers, NetnsKeeper, StoredNetns, StoredThing } from "./netns_keeper.ts";
import { proveKey } from "./prove_key.ts";
import { seal, unseal } from "./seal.ts";
import { databaseFile, MEMORY_DIR, openCells, openDatabase } from "./state_files.ts";
import { StateKeeper } from "./state_keeper.ts";
import { StateWriter } from "./state_writer.ts";

export interface StateOptions {
  readonly dir: string;
  /** SEAL_KEY_BYTES that SA keys are sealed with; null leaves them readable for who reads the file. */
  readonly key: Uint8Array | null;
}

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** What is the host's: tests have others. */
export interface Host {
  readonly memoryDir: string;
  /** Known only while the host runs without interruption. */
  readonly boot: string;
}

/** Time between two looks at the leases that are left, milliseconds. */
const GRANT_TICK_MS = 500;
/** Time between two copies of the counters to the disk. */
const COPY_MS = 60_000;

interface NetnsBody {
  readonly made: boolean;
  readonly inode: number;
  /** An inode means nothing to another boot. */
  readonly boot: string;
}

export class StateKeepers implements Keepers {
  readonly clockOffset: number;
  readonly #dir: string;
  readonly #key: Uint8Array | null;
  readonly #log: (line: string) => void;
  readonly #writer: StateWriter;
  readonly #host: Host;
  readonly #memory: CellMemory;
  readonly #grants = new Grants();
  /** What was there at the start and has not been taken up yet, by namespace. */
  readonly #stored = new Map<string, Map<string, StoredThing>>();
  readonly #namespaces = new Map<string, StoredThing>();
  /** Identities of the objects that the store has, or is to have, with their namespaces. */
  readonly #known = new Map<string, string>();
  /** Last copy of the counters on disk. */
  #copies = new Map<string, Uint8Array>();
  readonly #timers: ReturnType<typeof setInterval>[];
  #warnedUnsealed = false;

  /** Throws an Error with the remedy when the directory, its contents or the key can't be used. */
  constructor({ dir, key }: StateOptions, log: (line: string) => void, host: Host = thisHost()) {
    this.#dir = dir;
    this.#key = key;
    this.#log = log;
    this.#host = host;
    const db = openDatabase(dir);
    this.#writer = new StateWriter(db, dir, this.#grants, log);
    let memory: CellMemory | undefined;
    try {
      this.#memory = memory = openCells(db, dir, host.memoryDir);
      this.clockOffset = this.#keptClock(db);
      this.#resume(db);
      this.#writer.handOver(databaseFile(dir));
    } catch (error) {
      memory?.close();
      this.#writer.close();
      throw error;
    }
    this.#timers = [setInterval(() => this.#tick(), GRANT_TICK_MS), setInterval(() => this.#copy(), COPY_MS)];
    this.#timers.forEach(Deno.unrefTimer);
  }

  // ---- the start -------------------------------------------------------------------------------------------------

  /**
   * 1. Prove the key, before anything is changed.
   * 2. Find or make the cells of every object.
   * 3. Write which file of cells counts from now on, and that the end was not clean. Twice, so that it is known even
   *    when the disk loses its last write; a stale "clean" would repeat numbers.
   */
  #resume(db: Database): void {
    const { boot } = this.#host;
    if (proveKey(db, this.#key, this.#dir)) this.#warnUnsealed();
    const contents = db.read();
    for (const what of contents.damaged) {
      this.#log(`State in ${this.#dir}: row ${what} is damaged and not used`);
    }
    const id = db.meta("cells") ?? "";
    const clean = db.meta("clean") === "1";
    const live = this.#memory.resume({ id, boot });
    const next = live ? id : newIdentity();
    // Cells of another beginning: the store is a copy of an earlier time, or those cells are. Neither is exact.
    const former = live ? new Map() : this.#memory.former(boot);
    if (!live) this.#memory.reset({ id: next, boot });
    for (const row of contents.objects) {
      this.#resumeObject(row, contents, clean && former.size === 0, former.get(row.identity));
    }
    for (const identity of this.#memory.identities) {
      if (!this.#known.has(identity)) this.#memory.release(identity);
    }
    this.#copies = new Map(contents.cells);
    const mustWrite = !live || clean;
    for (let writes = 0; writes < 2; writes++) {
      const error = this.#writer.write({
        meta: { cells: next, clean: "0", clock: this.#clock(), written: newIdentity() },
      });
      if (error !== null && mustWrite) throw new Error(`Write state in ${this.#dir}: ${error.message}`);
    }
  }

  /** The offset that a gateway has begun with since the boot, or the one to begin with. */
  #keptClock(db: Database): number {
    const [boot, offset] = db.meta("clock")?.split(" ") ?? [];
    return boot === this.#host.boot ? Number(offset) : wallOffset();
  }

  #clock(): string {
    return `${this.#host.boot} ${this.clockOffset}`;
  }

  #resumeObject(row: ObjectRow, { grants, cells }: Contents, clean: boolean, former?: Uint8Array): void {
    const { identity, netns, kind } = row;
    const secret = unseal(row.sealed, identity, this.#key);
    const bound = kind === "state" ? grants.get(identity) : 0;
    if (secret === null || bound === undefined) {
      const lacks = secret === null ? "keys that can be opened" : "bound of its sequence numbers";
      this.#log(`State in ${this.#dir}: an SA of ${netns} is without ${lacks} and forgotten: ${row.body}`);
      this.#writer.remove(identity);
      return;
    }
    const saved = cells.get(identity);
    const exact = this.#memory.find(identity) ??
      (clean && saved ? this.#memory.restore(identity, saved) : null);
    const slot = exact ?? this.#begin(identity, kind, bound, former ?? saved);
    if (kind === "state") this.#grants.resume(identity, viewXfrmCells(slot.memory), bound);
    const thing: StoredThing = { slot, kind, body: JSON.parse(row.body), secret };
    this.#known.set(identity, netns);
    if (kind === "netns") this.#namespaces.set(netns, thing);
    else this.#storedOf(netns).set(identity, thing);
  }

  /** Cells in place of those that are lost. */
  #begin(identity: string, kind: ObjectRow["kind"], bound: number, copy: Uint8Array | undefined): Slot {
    const lost = kind === "state";
    const slot = copy === undefined
      ? this.#memory.allocate(identity, lost)
      : this.#memory.restore(identity, copy, lost);
    if (lost) resumeAtBound(viewXfrmCells(slot.memory), bound);
    return slot;
  }

  #storedOf(netns: string): Map<string, StoredThing> {
    let things = this.#stored.get(netns);
    if (things === undefined) this.#stored.set(netns, things = new Map());
    return things;
  }

  #warnUnsealed(): void {
    if (this.#warnedUnsealed) return;
    this.#warnedUnsealed = true;
    this.#log(
      `Keys of SAs lie unsealed in ${this.#dir} (mode 0600): give a key to seal them with, see --help`,
    );
  }

  // ---- what is kept ----------------------------------------------------------------------------------------------

  namespaces(): StoredNetns[] {
    return [...new Set([...this.#namespaces.keys(), ...this.#stored.keys()])].map((name) => {
      const { made, inode, boot } = this.#netnsBody(name);
      const things = [...this.#stored.get(name)?.values() ?? []].filter((thing) => !isFallback(thing)).length;
      return { name, made, inode: boot === this.#host.boot ? inode : null, things };
    });
  }

  #netnsBody(name: string): NetnsBody {
    return this.#namespaces.get(name)?.body as NetnsBody | undefined ?? { made: false, inode: 0, boot: "" };
  }

  describe(netns: string, slot: Slot, inode: number, made: boolean): void {
    const body: NetnsBody = { made: made || this.#netnsBody(netns).made, inode, boot: this.#host.boot };
    const thing: StoredThing = { kind: "netns", slot, body, secret: new Uint8Array() };
    this.#namespaces.set(netns, thing);
    this.put(netns, thing);
    this.commit();
  }

  /** Nobody may use what it has, nor the namespace's own counters. */
  forget(netns: string): void {
    for (const [identity, where] of this.#known) if (where === netns) this.drop(identity);
    this.#stored.delete(netns);
    this.#namespaces.delete(netns);
    this.commit();
  }

  of(netns: string): NetnsKeeper {
    return new StateKeeper(this, netns, this.#namespaces.get(netns) ?? null);
  }

  take(netns: string): StoredThing[] {
    const things = [...this.#stored.get(netns)?.values() ?? []];
    this.#stored.delete(netns);
    return things;
  }

  get memory(): CellMemory {
    return this.#memory;
  }

  put(netns: string, { slot, kind, body, secret }: StoredThing): void {
    const { identity } = slot;
    if (kind === "state" && this.#key === null) this.#warnUnsealed();
    const sealed = secret.length === 0 ? new Uint8Array() : seal(secret, identity, this.#key);
    secret.fill(0);
    this.#known.set(identity, netns);
    this.#writer.put({ identity, netns, kind, body: JSON.stringify(body), sealed });
  }

  /** Something new. On disk when this returns null, with a bound when it is an SA; else it is not there at all. */
  add(netns: string, thing: StoredThing): Error | null {
    const { kind, slot: { identity, memory } } = thing;
    this.put(netns, thing);
    const grants = new Map<string, number>();
    if (kind === "state") grants.set(identity, this.#grants.add(identity, viewXfrmCells(memory)));
    const error = this.#writer.write({ grants });
    if (error === null) {
      if (kind === "state") this.#grants.added(identity);
      return null;
    }
    this.#writer.takeBack(identity);
    this.#known.delete(identity);
    this.#grants.remove(identity);
    return error;
  }

  remove(identity: string): void {
    this.#grants.remove(identity);
    this.#copies.delete(identity);
    this.#known.delete(identity);
    this.#writer.remove(identity);
  }

  /** Something that nobody uses. */
  drop(identity: string): void {
    this.remove(identity);
    this.#memory.release(identity);
  }

  /** Writes what is to be written. What can't be now is tried again with the next tick. */
  commit(): void {
    if (this.#writer.isWaiting) this.#writer.write({});
  }

  #tick(): void {
    this.#writer.look();
    if (!this.#writer.isWaiting && !this.#grants.areLow()) return;
    this.#writer.writeSoon({ meta: { written: newIdentity() } });
  }

  /** Copies of the cells that have changed since the last copy. */
  #changedCells(): Map<string, Uint8Array> {
    const cells = new Map<string, Uint8Array>();
    for (const identity of this.#known.keys()) {
      const saved = this.#memory.save(identity);
      const before = this.#copies.get(identity);
      if (before === undefined || !equal(before, saved)) cells.set(identity, saved);
    }
    return cells;
  }

  #copy(): void {
    const cells = this.#changedCells();
    if (cells.size === 0) return;
    const copied = () => cells.forEach((saved, identity) => this.#copies.set(identity, saved));
    this.#writer.writeSoon({ cells }, copied);
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  taint(): void {
    this.#memory.taint();
  }

  close(orderly: boolean): void {
    this.#timers.forEach(clearInterval);
    // A thread that may run on may still change a window; the file of cells then has the last word.
    if (orderly && this.#writer.write({ cells: this.#changedCells(), meta: { clean: "1" } }) === null) {
      this.#memory.remove();
    } else this.commit();
    this.#writer.close();
    if (orderly) this.#memory.close();
  }
}

/** ip_vti0, which is in every namespace that is served. */
function isFallback({ body }: StoredThing): boolean {
  return (body as { isFallback?: boolean }).isFallback === true;
}

function thisHost(): Host {
  return { memoryDir: MEMORY_DIR, boot: readProcFile(BOOT_ID).trim() };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
