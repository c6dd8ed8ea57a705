import assert from "node:assert/strict";
import { refusal } from "../tests/doubles/api_server.ts";
import { type ApiAnswer, type ApiRequest, ApiServer } from "../tests/doubles/api_server.ts";
import { makeargs } from "./batch.ts";
import { client } from "./main.ts";

const fine = (): ApiAnswer => ({ status: 200, body: [] });

/** Runs the lines as a batch; `more` goes before -batch, and FILE stands for the file's name in what is printed. */
async function runBatch(
  lines: string,
  { more = [], answer = fine, dropIn }: {
    more?: string[];
    answer?: (request: ApiRequest) => ApiAnswer;
    dropIn?: string;
  } = {},
) {
  await using server = await ApiServer.start(answer);
  const file = await Deno.makeTempFile({ prefix: "vtt-batch-" });
  try {
    await Deno.writeTextFile(file, lines);
    let [stdout, stderr] = ["", ""];
    const exitCode = await client([...more, "-batch", file], {
      runDir: server.runDir,
      stdout: (text) => stdout += text,
      stderr: (text) => stderr += text.replace(file, "FILE"),
      ...(dropIn === undefined ? {} : { dropIn }),
    });
    const requests = server.requests.map(({ method, path }) => `${method} ${path.replace(/.*pid:\d+/, "")}`);
    return { exitCode, stdout, stderr, requests };
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("makeargs() takes words between blanks and between quotes", () => {
  assert.deepEqual(makeargs(" link  show\tvti1 \r"), ["link", "show", "vti1"]);
  assert.deepEqual(makeargs(`a 'b c' "d 'e" f"g`), ["a", "b c", "d 'e", 'f"g']);
  assert.deepEqual(makeargs('enc ecb(cipher_null) ""'), ["enc", "ecb(cipher_null)", ""]);
  assert.deepEqual(makeargs(" \t "), []);
  assert.throws(() => makeargs("a 'b"), /Unterminated quoted string/);
  assert.throws(() => makeargs("a ".repeat(512)), /Too many arguments to command/);
});

Deno.test("client() runs the lines of a batch, without comments and joined at backslashes", async () => {
  const lines = "# all of it\n\nlink add vti1 type vti \\\n  key 7 # a key\nxfrm state flush";
  assert.deepEqual(await runBatch(lines), {
    exitCode: 0,
    stdout: "",
    stderr: "",
    requests: ["POST /links", "DELETE /xfrm/states?flush=true"],
  });
});

Deno.test("client() ends a batch at the first line that fails, but for -force", async () => {
  const answer = ({ path }: ApiRequest) =>
    path.endsWith("/links") ? refusal("EEXIST", "File exists") : fine();
  const lines = "link add vti1 type vti\nfoo bar\ntunnel show\n";
  const failed = "RTNETLINK answers: File exists\nCommand failed FILE:1\n";
  const first = await runBatch(lines, { answer });
  assert.deepEqual([first.exitCode, first.stderr, first.requests], [1, failed, ["POST /links"]]);
  const all = await runBatch(lines, { answer, more: ["-force"] });
  assert.deepEqual([all.exitCode, all.stderr, all.requests], [
    1,
    `${failed}Object "foo" is unknown, try "ip help".\nCommand failed FILE:2\n`,
    ["POST /links", "GET /tunnels"],
  ]);
});

Deno.test("client() ends a batch where iproute2 ends itself, -force or not", async () => {
  const answer = ({ method }: ApiRequest) => method === "POST" ? refusal("EEXIST", "File exists") : fine();
  const run = async (line: string) => {
    const { exitCode, stderr } = await runBatch(`${line}\nfoo\n`, { answer, more: ["-force"] });
    return [exitCode, stderr];
  };
  assert.deepEqual(await run("link bogus"), [255, 'Command "bogus" is unknown, try "ip link help".\n']);
  const address = 'Error: inet address is expected rather than "foo".\n';
  assert.deepEqual(await run("link add v type vti local foo"), [1, address]);
  const add = "xfrm policy add dir out";
  assert.deepEqual(await run(add), [2, "RTNETLINK answers: File exists\n"]);
  // Listing calls exit(3) when it is done.
  assert.deepEqual(await run("xfrm policy list"), [0, ""]);
  assert.deepEqual(await run("xfrm policy count"), [
    1,
    'Object "foo" is unknown, try "ip help".\nCommand failed FILE:2\n',
  ]);
});

Deno.test("client() misses the rest of a line at the end of a batch, and takes a last backslash for a word", async () => {
  const missing = await runBatch("xfrm state flush\nlink show \\\n");
  assert.deepEqual([missing.exitCode, missing.stderr], [0, "Missing continuation line\n"]);
  const last = await runBatch("link show vti1 \\");
  assert.deepEqual([last.exitCode, last.stderr], [
    255,
    'Error: either "dev" is duplicate, or "\\" is a garbage.\n',
  ]);
});

Deno.test("client() tells a file that it can't read", async () => {
  let stderr = "";
  const env = { runDir: "/nowhere", stdout() {}, stderr: (text: string) => stderr += text };
  assert.equal(await client(["-b", "/nowhere/batch"], env), 1);
  assert.equal(stderr, 'Cannot open file "/nowhere/batch" for reading: No such file or directory\n');
});

Deno.test("client() gives the lines of a batch that may be the system's back to bin/ip", async () => {
  const directory = await Deno.makeTempDir({ prefix: "vtt-drop-in-" });
  try {
    const [dropIn, said] = [`${directory}/ip`, `${directory}/said`];
    const script = `#!/bin/sh\necho "$*" >> ${said}\ncase $* in *fail*) exit 2 ;; esac\n`;
    await Deno.writeTextFile(dropIn, script, { mode: 0o755 });
    const lines =
      "link add vti1 type vti\naddr add 10.9.0.1/30 dev vti1\nlink show vti1\nroute fail\nxfrm sa flush\n-o link";
    const ran = await runBatch(lines, { dropIn, more: ["-s", "-force", "-f", "inet"] });
    // A line has no options of its own.
    const unknown = 'Object "-o" is unknown, try "ip help".\n';
    assert.deepEqual([ran.exitCode, ran.stderr], [
      1,
      `Command failed FILE:4\n${unknown}Command failed FILE:6\n`,
    ]);
    assert.deepEqual(ran.requests, ["POST /links", "DELETE /xfrm/states?flush=true"]);
    assert.equal(
      await Deno.readTextFile(said),
      ["addr add 10.9.0.1/30 dev vti1", "link show vti1", "route fail"]
        .map((line) => `-s -f inet ${line}\n`).join(""),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
