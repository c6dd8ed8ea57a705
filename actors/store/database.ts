/**
 * The store on disk: SQLite in the state directory. One process at a time; every write is one transaction and is on
 * the disk when it returns.
 *
 * Rows carry a check sum over what a wrong bit could turn into a repeated number: a row that fails it is not used.
 */
import { createHash } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { KeptKind } from "../control/keeper.ts";

/** What each version of the schema adds to the one before; a released step never changes. */
export const SCHEMA_STEPS: readonly string[] = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE objects (
     identity TEXT PRIMARY KEY, netns TEXT NOT NULL, kind TEXT NOT NULL,
     body TEXT NOT NULL, sealed BLOB NOT NULL, sum TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE grants (identity TEXT PRIMARY KEY, leases INTEGER NOT NULL, sum TEXT NOT NULL)
     STRICT, WITHOUT ROWID;
   CREATE TABLE cells (identity TEXT PRIMARY KEY, saved BLOB NOT NULL, sum TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
];

const OWNER_ONLY = 0o600;
/** For another daemon that is about to end. */
const LOCK_TIMEOUT_MS = 3000;

export interface ObjectRow {
  readonly identity: string;
  /** Name of the namespace. */
  readonly netns: string;
  readonly kind: KeptKind | "netns";
  /** JSON. */
  readonly body: string;
  /** Keys, as seal.ts leaves them; empty without. */
  readonly sealed: Uint8Array;
}

/** One transaction. */
export interface Changes {
  /** null: the object is gone, with its grant and its cells. */
  readonly objects?: ReadonlyMap<string, ObjectRow | null>;
  /** Bounds of sequence numbers by identity, in leases. */
  readonly grants?: ReadonlyMap<string, number>;
  readonly cells?: ReadonlyMap<string, Uint8Array>;
  readonly meta?: Readonly<Record<string, string>>;
}

export interface Contents {
  readonly objects: readonly ObjectRow[];
  readonly grants: ReadonlyMap<string, number>;
  readonly cells: ReadonlyMap<string, Uint8Array>;
  /** Tables and identities of rows that fail their sum. */
  readonly damaged: readonly string[];
}

export class Database {
  readonly #db: DatabaseSync;
  readonly #statements: Record<"meta" | "object" | "grant" | "cells", StatementSync>;
  readonly #deletes: readonly StatementSync[];

  /** Opens or makes it. Throws an Error that says what is wrong with it. */
  constructor(path: string, steps: readonly string[] = SCHEMA_STEPS) {
    // Made first, because SQLite would make it for all to read; its other files have the same mode.
    Deno.openSync(path, { create: true, write: true, mode: OWNER_ONLY }).close();
    this.#db = new DatabaseSync(path, { timeout: LOCK_TIMEOUT_MS });
    try {
      const version = this.#version();
      if (version > steps.length) {
        throw new Error(`it has schema ${version}, of a newer vti-gateway; this one knows ${steps.length}`);
      }
      this.#db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;`);
      const { quick_check } = this.#db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
      if (quick_check !== "ok") throw new Error(`it is damaged (${quick_check})`);
      for (let i = version; i < steps.length; i++) {
        this.#db.exec(`BEGIN IMMEDIATE; ${steps[i]}; PRAGMA user_version = ${i + 1}; COMMIT;`);
      }
      this.#statements = {
        meta: this.#db.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)"),
        object: this.#db.prepare("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)"),
        grant: this.#db.prepare("INSERT OR REPLACE INTO grants VALUES (?, ?, ?)"),
        cells: this.#db.prepare("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)"),
      };
      this.#deletes = ["objects", "grants", "cells"].map((table) =>
        this.#db.prepare(`DELETE FROM ${table} WHERE identity = ?`)
      );
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Steps of the schema that the file has been through. */
  #version(): number {
    const { user_version } = this.#db.prepare("PRAGMA user_version").get() as { user_version: number };
    return user_version;
  }

  meta(name: string): string | undefined {
    return this.#db.prepare("SELECT value FROM meta WHERE name = ?").get(name)?.["value"] as
      | string
      | undefined;
  }

  read(): Contents {
    const damaged: string[] = [];
    const intact = (table: string, sums: (row: Row) => string) =>
      (this.#db.prepare(`SELECT * FROM ${table}`).all() as unknown as Row[]).filter((row) => {
        const good = row.sum === sums(row);
        if (!good) damaged.push(`${table} ${row.identity}`);
        return good;
      });
    return {
      objects: intact("objects", (row) => sumOf(objectFields(row))),
      grants: new Map(
        intact("grants", (r) => sumOf([r.identity, r.leases])).map((r) => [r.identity, r.leases]),
      ),
      cells: new Map(intact("cells", (r) => sumOf([r.identity, r.saved])).map((r) => [r.identity, r.saved])),
      damaged,
    };
  }

  /** All or nothing; on the disk when it returns. Throws what SQLite says, as for a full disk. */
  write({ objects, grants, cells, meta }: Changes): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const { meta: setMeta, object, grant, cells: setCells } = this.#statements;
      for (const [identity, row] of objects ?? []) {
        if (row === null) { for (const statement of this.#deletes) statement.run(identity); }
        else object.run(...objectFields(row), sumOf(objectFields(row)));
      }
      for (const [identity, leases] of grants ?? []) grant.run(identity, leases, sumOf([identity, leases]));
      for (const [identity, saved] of cells ?? []) setCells.run(identity, saved, sumOf([identity, saved]));
      for (const [name, value] of Object.entries(meta ?? {})) setMeta.run(name, value);
      this.#db.exec("COMMIT");
    } catch (error) {
      // A COMMIT that failed for the disk has ended the transaction already, or not.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Leaves nothing in the files of what was deleted or replaced: secure_delete has overwritten it in the pages, and the
   * journal goes. Not by VACUUM, which needs to attach a database: Deno allows that only under --allow-all.
   */
  forget(): void {
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

interface Row extends ObjectRow {
  readonly leases: number;
  readonly saved: Uint8Array;
  readonly sum: string;
}

function objectFields({ identity, netns, kind, body, sealed }: ObjectRow) {
  return [identity, netns, kind, body, sealed] as const;
}

function sumOf(fields: readonly (string | number | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const field of fields) {
    const bytes = typeof field === "object" ? field : new TextEncoder().encode(String(field));
    hash.update(`${bytes.length} `).update(bytes);
  }
  return hash.digest("hex").slice(0, 32);
}
