/** The house rules that a machine can hold: who imports whom, what the hot path must not say, how long a file gets. */
import assert from "node:assert/strict";

/** Paths here are relative to the repository; one that ends in "/" means the folder with all below it. */
interface Rule {
  readonly folder: string;
  /** What may be imported with its values. */
  readonly values: readonly string[];
  /** What may be imported by `import type` only. */
  readonly types: readonly string[];
  /** npm packages and node: modules, by prefix. */
  readonly external: readonly string[];
}

/** The first row whose folder holds the file counts; a file in no folder joins the others and may import all. */
// deno-fmt-ignore
const RULES: readonly Rule[] = [
  { folder: "datapath/wire/", values: [], types: [], external: [] },
  { folder: "datapath/", values: ["datapath/"], types: [], external: [] },
  {
    // A batch is what datapath/ and ffi/ share: the offsets of its fields, and the reasons that stand in one of them.
    folder: "ffi/",
    values: ["ffi/", "datapath/batch.ts", "datapath/drop_reason.ts"],
    types: ["datapath/"],
    // By process.getBuiltinModule, so that they are loaded where they are used: node:zlib, node:module.
    external: ["@noble/", "node:process", "node:zlib"],
  },
  { folder: "actors/runtime/", values: ["actors/runtime/"], types: [], external: ["node:worker_threads"] },
  {
    // Tables: names of flags, numbers of the uapi, limits of the device.
    folder: "actors/control/",
    values: [
      ...["actors/control/", "actors/gateway.ts", "datapath/drop_reason.ts", "datapath/tunnel/ip_tunnel_parm.ts"],
      ...["datapath/xfrm/xfrm_record.ts", "datapath/xfrm/xfrm_cells.ts"],
    ],
    types: ["datapath/"],
    external: [],
  },
  { folder: "actors/", values: ["actors/", "datapath/", "ffi/"], types: [], external: ["node:", "@noble/hashes"] },
  {
    folder: "api/",
    values: ["api/", "actors/control/kernel_error.ts"],
    types: ["actors/gateway.ts"],
    external: ["hono", "zod", "node:"],
  },
  { folder: "cli/", values: ["cli/"], types: ["api/"], external: ["node:"] },
];

/** Lines; beyond it a file holds more than one concept. */
const MAX_LINES = 400;

const ROOT = new URL("../", import.meta.url);
const isTest = (path: string): boolean => /_(test|bench|fixture)\.ts$/.test(path);
const FILES: readonly string[] = [...walk("")].sort();
const SOURCES = FILES.filter((path) => !isTest(path));

function* walk(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(folder || ".", ROOT))) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory) yield* walk(`${folder}${entry.name}/`);
    else if (entry.name.endsWith(".ts")) yield folder + entry.name;
  }
}

interface Dependency {
  readonly from: string;
  /** Path in the repository, or the specifier of something outside. */
  readonly to: string;
  readonly inside: boolean;
  readonly typeOnly: boolean;
}

/** What `deno info --json` says of every file of the repository. */
async function dependencies(): Promise<Dependency[]> {
  const directory = await Deno.makeTempDir();
  try {
    const all = `${directory}/all.ts`;
    await Deno.writeTextFile(all, FILES.map((path) => `import "${new URL(path, ROOT)}";\n`).join(""));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", new URL("deno.json", ROOT).pathname, all],
    });
    const { success, stdout, stderr } = await command.output();
    const text = new TextDecoder();
    assert.ok(success, text.decode(stderr));
    return parseInfo(JSON.parse(text.decode(stdout)));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string; readonly error?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

function parseInfo(info: Info): Dependency[] {
  const found: Dependency[] = [];
  for (const module of info.modules) {
    if (!module.specifier.startsWith(ROOT.href)) continue;
    const from = module.specifier.slice(ROOT.href.length);
    assert.equal(module.error, undefined, `${from} can't be read`);
    for (const { specifier, code, type } of module.dependencies ?? []) {
      assert.equal(code?.error, undefined, `${from} imports ${specifier}`);
      const target = code?.specifier ?? type?.specifier ?? specifier;
      const inside = target.startsWith(ROOT.href);
      const to = inside ? target.slice(ROOT.href.length) : specifier;
      found.push({ from, to, inside, typeOnly: code === undefined });
    }
  }
  return found;
}

const covers = (list: readonly string[], path: string): boolean =>
  list.some((entry) => entry.endsWith("/") ? path.startsWith(entry) : path === entry);

function isAllowed({ from, to, inside, typeOnly }: Dependency): boolean {
  const rule = RULES.find(({ folder }) => from.startsWith(folder));
  if (rule === undefined) return true;
  if (to.endsWith("_fixture.ts")) return false;
  if (!inside) return rule.external.some((prefix) => to.startsWith(prefix));
  return covers(rule.values, to) || (typeOnly && covers(rule.types, to));
}

Deno.test("every import keeps the import rule", async () => {
  const all = await dependencies();
  const wrong = all.filter((dependency) => !isTest(dependency.from) && !isAllowed(dependency));
  assert.deepEqual(wrong.map(({ from, to, typeOnly }) => `${from} -> ${to}${typeOnly ? " (type)" : ""}`), []);
  for (const { folder } of RULES) {
    assert.ok(
      SOURCES.some((path) => path.startsWith(folder)),
      `${folder} has no file: the rule proves nothing`,
    );
  }
});

Deno.test("isAllowed() tells values from types", () => {
  const ffiToAead = { from: "ffi/aead_noble.ts", to: "datapath/esp/aead.ts", inside: true };
  assert.equal(isAllowed({ ...ffiToAead, typeOnly: true }), true);
  assert.equal(isAllowed({ ...ffiToAead, typeOnly: false }), false);
  assert.equal(isAllowed({ from: "datapath/x.ts", to: "ffi/libc.ts", inside: true, typeOnly: true }), false);
  assert.equal(isAllowed({ from: "ffi/x.ts", to: "ffi/y_fixture.ts", inside: true, typeOnly: true }), false);
  assert.equal(isAllowed({ from: "datapath/x.ts", to: "node:util", inside: false, typeOnly: false }), false);
});

/** The text without comments and strings, line by line: words in them are no code. */
function codeLines(path: string): string[] {
  const text = Deno.readTextFileSync(new URL(path, ROOT));
  const blank = (match: string) => match.replace(/[^\n]/g, " ");
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, blank).split("\n");
}

/** Lines of `path` that match, as "path:line". */
function find(path: string, pattern: RegExp): string[] {
  return codeLines(path).flatMap((line, i) => pattern.test(line) ? [`${path}:${i + 1}`] : []);
}

/** Whether line `i` runs when the module loads: the statement it belongs to is neither a function nor a class. */
function atModuleLoad(lines: readonly string[], i: number): boolean {
  let first = i;
  while (first > 0 && !/^[a-z{]/i.test(lines[first]!)) first--;
  return /^(if|for|throw|switch|\{)/.test(lines[first]!);
}

const hot = SOURCES.filter((path) => path.startsWith("datapath/"));

Deno.test("datapath/ neither waits, nor touches Deno or workers, nor throws at a packet", () => {
  assert.ok(hot.length > 0);
  const wrong = hot.flatMap((path) =>
    find(path, /\b(await|async)\b|\bDeno\b|\bnew Worker\b|\bpostMessage\b/)
  );
  assert.deepEqual(wrong, []);
  const throwing = hot.flatMap((path) => {
    const lines = codeLines(path);
    return lines.flatMap((line, i) =>
      /\bthrow\b/.test(line) && !atModuleLoad(lines, i) ? [`${path}:${i + 1}`] : []
    );
  });
  assert.deepEqual(throwing, []);
});

Deno.test("atModuleLoad() knows a function's body from a check at load", () => {
  const lines = [
    "if (size !== 4) {",
    "  throw 1;",
    "}",
    "export function f() {",
    "  throw 2;",
    "}",
    "throw 3;",
  ];
  assert.deepEqual([1, 4, 6].map((i) => atModuleLoad(lines, i)), [true, false, true]);
});

Deno.test("only ffi/ opens a library", () => {
  const outside = SOURCES.filter((path) => !path.startsWith("ffi/"));
  assert.deepEqual(outside.flatMap((path) => find(path, /\bdlopen\b/)), []);
});

Deno.test("no file grows past what one concept needs", () => {
  const files = FILES.filter((path) => !path.startsWith("tests/vectors/"));
  const long = files.filter((path) => codeLines(path).length > MAX_LINES);
  assert.deepEqual(long, [], `longer than ${MAX_LINES} lines`);
});
