import assert from "node:assert/strict";
import fc from "fast-check";
import { ApiServer, refusal } from "../tests/doubles/api_server.ts";
import { runAgainst, runClient } from "../tests/doubles/run_client.ts";
import { readTranscript } from "../tests/doubles/transcript.ts";
import { client } from "./main.ts";
import { isClientCommand, parseOptions } from "./options.ts";
import { Words } from "./words.ts";

const empty = () => ({ status: 200, body: [] });

Deno.test("client() without a daemon says which socket and how to start one", async () => {
  const runDir = await Deno.makeTempDir({ prefix: "vtt-none-" });
  try {
    let stderr = "";
    const words = ["--run-dir", runDir, "link", "show"];
    const exitCode = await client(words, {
      runDir: "/nowhere",
      stdout() {},
      stderr: (text) => stderr += text,
    });
    assert.equal(exitCode, 1);
    assert.equal(
      stderr,
      `Cannot reach ${runDir}/api.sock: vti-gateway is not running, start it with: deno run -A mod.ts run\n`,
    );
  } finally {
    await Deno.remove(runDir);
  }
});

Deno.test("client() asks for its own namespace, or for the one that -n names", async () => {
  const own = await runClient(["link", "show"], empty);
  assert.equal(own.requests[0]!.path, `/v1/netns/pid:${Deno.pid}/links`);
  const missing = await runClient(["-n", "vtt-no-such", "link", "show"], empty);
  assert.deepEqual([missing.exitCode, missing.stderr], [
    255,
    'Cannot open network namespace "vtt-no-such": No such file or directory\n',
  ]);
  assert.deepEqual(missing.requests, []);
});

Deno.test("client() prints its usage for no words and for help", async () => {
  for (const words of [[], ["help"], ["-d", "-s"]]) {
    const { exitCode, stderr } = await runClient(words, empty);
    assert.equal(exitCode, 255);
    assert.match(stderr, /^Usage: ip \[ OPTIONS \] OBJECT/);
  }
});

Deno.test("client() tells what is no answer of the daemon", async () => {
  const { exitCode, stderr } = await runClient(["link"], () => ({ status: 502, body: "bad gateway" }));
  assert.deepEqual([exitCode, stderr], [1, "vti-gateway answers: HTTP status 502: bad gateway\n"]);
});

Deno.test("client() prints the kernel's own words with one full stop", async () => {
  for (const extack of ["Requested AEAD algorithm not found", "Requested AEAD algorithm not found."]) {
    const answer = () => refusal("ENOSYS", "Function not implemented", { extack });
    const { exitCode, stderr } = await runClient(["xfrm", "state", "flush"], answer);
    assert.deepEqual([exitCode, stderr], [2, "Error: Requested AEAD algorithm not found.\n"]);
  }
});

Deno.test("parseOptions() knows ip(8)'s abbreviations", () => {
  const parse = (line: string) => parseOptions(new Words(line.split(" ")));
  const read = (line: string) => ({ ...parse(line), given: [] });
  assert.deepEqual(parse("-d -j -p -s -s -o -br -6 -n blue link"), {
    details: true,
    json: true,
    pretty: true,
    brief: true,
    oneline: true,
    human: false,
    iec: false,
    color: "",
    numeric: false,
    timestamp: "",
    stats: 2,
    family: 6,
    force: false,
    netns: "blue",
    given: ["-d", "-j", "-p", "-s", "-s", "-o", "-br", "-6", "-n", "blue"],
  });
  // Those of no meaning here are taken; the last family counts.
  const others = "-loops 9 -rcvbuf 4096 -resolve -all -echo -color=never -0 -f mpls -4";
  assert.deepEqual(read(`${others} link`), read("-4 link"));
  assert.deepEqual(parse(`${others} -force -b - --run-dir /r link`).given, others.split(" "));
  assert.deepEqual(read("-h -iec -N -t -ts -force -b -"), {
    ...read("link"),
    human: true,
    iec: true,
    numeric: true,
    timestamp: "short",
    force: true,
    batch: "-",
  });
  assert.equal(parse("-B tunnel").otherFamily, 7);
  assert.deepEqual(["-c", "-color=always", "-co=never"].map((word) => parse(`${word} link`).color), [
    "light",
    "light",
    "",
  ]);
  assert.throws(() => parse("-color=sometimes link"), { message: /^Option "-color=sometimes" is unknown/ });
  assert.deepEqual(read("--details -statistics -netns blue -f inet --run-dir=/r -- link"), {
    ...read("-d -s -n blue -4 link"),
    runDir: "/r",
  });
});

Deno.test("isClientCommand() tells the client's command lines from the daemon's", () => {
  const lines = [
    "-force -batch file",
    "link show",
    "-d -s l",
    "-n ns xfrm state",
    "x s",
    "tunnel",
    "net list",
    "--run-dir /r mo",
    "tunl",
  ];
  for (const line of lines) assert.ok(isClientCommand(line.split(" ")), line);
  const others = [
    "run",
    "demo",
    "doctor",
    "--config x",
    "run --run-dir /r",
    "--run-dir /r",
    "-x link",
    "n",
    "m",
    "a",
  ];
  for (const line of others) assert.ok(!isClientCommand(line.split(" ")), line);
  assert.ok(!isClientCommand([]));
});

// ---- any words at all --------------------------------------------------------------------------------------------

const VOCABULARY = [
  ..."add set change del show list get update flush count allocspi deleteall help stat".split(" "),
  ..."type vti local remote key ikey okey dev fwmark name mtu up down mode any default".split(" "),
  ..."src dst proto spi esp ah comp reqid mark mask limit byte-hard time-soft flag esn sel".split(" "),
  ..."tmpl dir in out fwd index ptype main sub action allow block priority level use icmp".split(" "),
  ..."aead auth auth-trunc enc encap espinudp output-mark if_id tfcpad replay-window min max".split(" "),
  ..."tcp sport dport code gre constructor toString __proto__ hasOwnProperty nokeys".split(" "),
  ..."0 1 7 -1 0x10 0x 4294967296 1.2.3.4 10.0.0.0/8 ::1 ::/0 1.2.3 vti1 a/b . cbc(aes) 0x0011 128".split(
    " ",
  ),
];
const OBJECTS = ["link", "tunnel", "netns", "xfrm state", "xfrm policy", "xfrm stat", "xfrm"];

const EXIT_CODES = [0, 1, 2, 255];

/** Lines that mean something, to be damaged. */
const LINES = (await Promise.all(["errors.txt", "link_show.txt", "usage_errors.txt"].map(readTranscript)))
  .flat().map(({ words }) => words ?? []).filter((words) => words.length > 0 && !words.includes("-n"));
const word = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...VOCABULARY) }, fc.string({ maxLength: 8 }));

Deno.test("client() answers any words with an exit code, and a refusal with a message", async () => {
  const line = fc.tuple(fc.constantFrom(...OBJECTS), fc.array(word, { maxLength: 14 }))
    .map(([object, words]) => [...object.split(" "), ...words]);
  for (const exitCode of await answersAll(line)) assert.ok(EXIT_CODES.includes(exitCode));
});

Deno.test("client() answers damaged lines with an exit code, and a refusal with a message", async () => {
  const damage = fc.record({
    at: fc.nat({ max: 20 }),
    removed: fc.nat({ max: 1 }),
    added: fc.array(word, { maxLength: 2 }),
  });
  const line = fc.tuple(fc.constantFrom(...LINES), fc.array(damage, { maxLength: 3 })).map((
    [words, damages],
  ) => damages.reduce((now, { at, removed, added }) => now.toSpliced(at, removed, ...added), [...words]));
  assert.deepEqual(await answersAll(line), EXIT_CODES);
});

/** Runs many lines; returns the exit codes that came. */
async function answersAll(lines: fc.Arbitrary<string[]>): Promise<number[]> {
  await using server = await ApiServer.start(({ method, path }) => {
    if (method !== "GET") return refusal("EINVAL", "Invalid argument");
    return /\/(get\b|links\/)/.test(path) ? refusal("ENODEV", "No such device") : { status: 200, body: [] };
  });
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(lines, async (words) => {
      const { exitCode, stderr } = await runAgainst(server, words);
      seen.add(exitCode);
      assert.equal(stderr.length > 1 && stderr.endsWith("\n"), exitCode !== 0);
    }),
    { numRuns: 2000 },
  );
  return [...seen].sort((a, b) => a - b);
}
