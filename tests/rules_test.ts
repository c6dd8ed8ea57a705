/** The tables of tests/rules: numbers without a gap, and every rule names a test that is there. */
import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);
const TABLES = new URL("rules/", import.meta.url);
/** Sections of the tables, one a file. */
const SECTIONS = ["A", "B", "C", "D", "E", "F", "G", "H"];
/** Tests, and the tables of cases that they run. */
const TEST_FILE = /(_test|_cases|_words)\.ts$/;

interface Rule {
  readonly number: string;
  readonly says: string;
  readonly shownBy: string;
}

async function readTable(section: string): Promise<Rule[]> {
  const files = [...Deno.readDirSync(TABLES)].filter(({ name }) => name.startsWith(`${section}_`));
  assert.equal(files.length, 1, `a table for section ${section}`);
  const text = await Deno.readTextFile(new URL(files[0]!.name, TABLES));
  const rows = text.split("\n").filter((line) => line.startsWith("|") && !/^\| (rule |---)/.test(line));
  return rows.map((row) => {
    const [, number, says, shownBy] = row.split("|").map((cell) => cell.trim());
    return { number: number!, says: says!, shownBy: shownBy! };
  });
}

/** "A.2" comes behind "A.1" or ends a subsection: each number is the one before with its last part, or a part of it, raised. */
function assertNoGap(section: string, numbers: readonly string[]): void {
  let before: number[] = [];
  for (const number of numbers) {
    const [letter, ...parts] = number.split(".");
    assert.equal(letter, section, number);
    const now = parts.map(Number);
    const next = now.map((
      _,
      i,
    ) => [...before.slice(0, i), (before[i] ?? 0) + 1, ...now.slice(i + 1).fill(1)]);
    const follows = next.some((expected) => expected.join(".") === now.join("."));
    assert.ok(follows, `${number} does not follow ${section}.${before.join(".")}`);
    before = now;
  }
}

const texts = new Map<string, string>();

/** The file names the test as a whole string, as Deno.test(), t.step() and tables of cases do. */
async function assertTest(path: string, name: string, number: string): Promise<void> {
  assert.match(path, TEST_FILE, number);
  const text = texts.get(path) ?? await Deno.readTextFile(new URL(path, ROOT));
  texts.set(path, text);
  const isThere = ['"', "`"].some((quote) => text.includes(`${quote}${name}${quote}`));
  assert.ok(isThere, `${number}: no test "${name}" in ${path}`);
}

for (const section of SECTIONS) {
  Deno.test(`section ${section} of the rules has no gap, and every rule a test that is there`, async () => {
    const rules = await readTable(section);
    assert.ok(rules.length > 0);
    assertNoGap(section, rules.map(({ number }) => number));
    for (const { number, says, shownBy } of rules) {
      assert.ok(says !== "", `${number} says nothing`);
      const tests = [...shownBy.matchAll(/`([^`]+)` "((?:[^"\\]|\\.)+)"/g)];
      assert.ok(tests.length > 0, `${number} names no test`);
      for (const [, path, name] of tests) await assertTest(path!, name!.replaceAll('\\"', '"'), number);
    }
  });
}
