import assert from "node:assert/strict";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { TomlLines, type TomlPath } from "./toml_lines.ts";

const TEXT = `# line 1
[[link]]
name = "a" # [[link]]
addresses = [
  "10.0.0.1/8",  # first
  "10.0.0.2/8",
]

[[link]]
name = """
[[link]]
""""
"quoted key" = 1
dotted . key = 'it'

[link.inner]
deep = true
[[policy]]
dir = "out"
tmpl = [ { src = "192.0.2.1",
  dst = "192.0.2.2" }, { src = "x" } ]
[[policy]]
[[policy.tmpl]]
src = 1
[[policy.tmpl]]
src = 2`;

Deno.test("TomlLines.of() finds keys in tables, arrays, inline tables and long strings", () => {
  parse(TEXT);
  const lines = new TomlLines(TEXT);
  const cases: [TomlPath, number][] = [
    [["link"], 2],
    [["link", 0], 2],
    [["link", 0, "name"], 3],
    [["link", 0, "addresses"], 4],
    [["link", 0, "addresses", 0], 5],
    [["link", 0, "addresses", 1], 6],
    [["link", 1], 9],
    [["link", 1, "name"], 10],
    [["link", 1, "quoted key"], 13],
    [["link", 1, "dotted", "key"], 14],
    [["link", 1, "inner", "deep"], 17],
    [["policy", 0, "tmpl", 0, "src"], 20],
    [["policy", 0, "tmpl", 0, "dst"], 21],
    [["policy", 0, "tmpl", 1, "src"], 21],
    [["policy", 1, "tmpl", 0, "src"], 24],
    [["policy", 1, "tmpl", 1, "src"], 26],
  ];
  for (const [path, line] of cases) assert.equal(lines.of(path), line, JSON.stringify(path));
});

Deno.test("TomlLines.of() falls back to what surrounds a key that is missing", () => {
  const lines = new TomlLines(TEXT);
  assert.equal(lines.of(["link", 1, "remote"]), 9);
  assert.equal(lines.of(["link", 0, "addresses", 7]), 4);
  assert.equal(lines.of(["netns"]), 1);
});

/** Paths of everything in a document. */
function* paths(value: unknown, path: TomlPath = []): Generator<TomlPath> {
  if (path.length > 0) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield* paths(inner, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

Deno.test("TomlLines finds every key of any document, and in its order", () => {
  const scalar = fc.oneof(fc.boolean(), fc.integer(), fc.string());
  const key = fc.stringMatching(/^[a-z_-]{1,6}$/);
  const flat = fc.dictionary(key, fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })), { maxKeys: 4 });
  const tables = fc.array(fc.dictionary(key, fc.oneof(scalar, flat), { maxKeys: 4 }), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(fc.property(fc.dictionary(key, tables, { maxKeys: 4 }), (document) => {
    const text = stringify(document);
    const lines = new TomlLines(text);
    for (const path of paths(parse(text))) {
      const own = lines.of(path);
      const last = path.at(-1)!;
      const line = text.split("\n")[own - 1]!;
      const stands = typeof last === "number" ? line.includes("[") : line.includes(last);
      assert.ok(stands, `${JSON.stringify(path)} is not in line ${own} of\n${text}`);
    }
  }));
});

Deno.test("TomlLines ends with any text", () => {
  const text = fc.array(fc.constantFrom(..."[]{}=\"'\\\n,.#ab1 "), { maxLength: 40 }).map((parts) =>
    parts.join("")
  );
  fc.assert(fc.property(text, (text) => void new TomlLines(text).of(["a"])), { numRuns: 500 });
});
