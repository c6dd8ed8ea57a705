import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Database, type ObjectRow, SCHEMA_STEPS } from "./database.ts";

function inDirectory(test: (path: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    test(`${dir}/state.db`);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

function row(identity: string, change: Partial<ObjectRow> = {}): ObjectRow {
  return { identity, netns: "a", kind: "state", body: "{}", sealed: Uint8Array.of(1, 2), ...change };
}

Deno.test("Database keeps what was written, in files for its owner only", () => {
  inDirectory((path) => {
    const first = new Database(path);
    first.write({
      objects: new Map([["1", row("1")], ["2", row("2", { kind: "policy" })]]),
      grants: new Map([["1", 64]]),
      cells: new Map([["1", Uint8Array.of(7)], ["2", Uint8Array.of(8)]]),
      meta: { clean: "1" },
    });
    first.write({ objects: new Map([["2", null], ["1", row("1", { body: "[]" })]]) });
    for (const file of [path, `${path}-wal`]) assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
    first.close();
    const second = new Database(path);
    const { objects, grants, cells, damaged } = second.read();
    assert.deepEqual(objects.map(({ identity, body }) => [identity, body]), [["1", "[]"]]);
    assert.deepEqual([[...grants], [...cells.keys()], damaged], [[["1", 64]], ["1"], []]);
    assert.deepEqual([second.meta("clean"), second.meta("none")], ["1", undefined]);
    second.close();
  });
});

Deno.test("Database is for one process at a time", () => {
  inDirectory((path) => {
    const first = new Database(path);
    const second = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `new (await import("${new URL("./database.ts", import.meta.url)}")).Database("${path}")`,
      ],
    }).outputSync();
    assert.match(new TextDecoder().decode(second.stderr), /database is locked/);
    first.close();
  });
});

Deno.test("write() is all or nothing, and works again after it failed", () => {
  inDirectory((path) => {
    const db = new Database(path);
    const bad = row("3", { netns: null as unknown as string });
    assert.throws(() => db.write({ objects: new Map([["1", row("1")], ["3", bad]]), meta: { x: "1" } }));
    assert.deepEqual([db.read().objects, db.meta("x")], [[], undefined]);
    db.write({ objects: new Map([["1", row("1")]]) });
    assert.equal(db.read().objects.length, 1);
    db.close();
  });
});

Deno.test("read() uses no row that does not fit its sum", () => {
  inDirectory((path) => {
    const db = new Database(path);
    db.write({
      objects: new Map([["1", row("1")], ["2", row("2")]]),
      grants: new Map([["1", 64], ["2", 64]]),
    });
    db.close();
    const raw = new DatabaseSync(path);
    raw.exec(
      "UPDATE grants SET leases = 0 WHERE identity = '1'; UPDATE objects SET netns = 'b' WHERE identity = '2'",
    );
    raw.close();
    const again = new Database(path);
    const { objects, grants, damaged } = again.read();
    assert.deepEqual([objects.map((o) => o.identity), [...grants.keys()]], [["1"], ["2"]]);
    assert.deepEqual([...damaged].sort(), ["grants 1", "objects 2"]);
    again.close();
  });
});

Deno.test("Database brings an older schema to its own, step by step, and refuses a newer one", () => {
  inDirectory((path) => {
    const first = new Database(path);
    first.write({ meta: { a: "1" } });
    first.close();
    const steps = [
      ...SCHEMA_STEPS,
      "CREATE TABLE more (x); UPDATE meta SET value = '2'",
      "ALTER TABLE more ADD y",
    ];
    const second = new Database(path, steps);
    assert.equal(second.meta("a"), "2");
    second.close();
    const again = new Database(path, steps);
    assert.equal(again.meta("a"), "2");
    again.close();
    assert.throws(() => new Database(path), /schema 3, of a newer vti-gateway; this one knows 1/);
  });
});

Deno.test("a step that fails leaves the schema as it was", () => {
  inDirectory((path) => {
    new Database(path).close();
    assert.throws(() =>
      new Database(path, [...SCHEMA_STEPS, "CREATE TABLE more (x); CREATE TABLE meta (x)"])
    );
    const db = new Database(path);
    db.write({ meta: { a: "1" } });
    db.close();
  });
});

Deno.test("Database says that a file is damaged", () => {
  inDirectory((path) => {
    const db = new Database(path);
    const objects = Array.from(
      { length: 200 },
      (_, i) => [`${i}`, row(`${i}`, { body: "x".repeat(500) })] as const,
    );
    db.write({ objects: new Map(objects) });
    db.close();
    const bytes = Deno.readFileSync(path);
    const cases = [bytes.slice(0, bytes.length - 4096), bytes.slice(0, 100), bytes.fill(0x55, 8192, 16384)];
    for (const content of cases) {
      Deno.writeFileSync(path, content);
      assert.throws(() => new Database(path), /damaged|malformed|not a database/);
    }
  });
});
