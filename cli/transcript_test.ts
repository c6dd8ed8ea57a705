/** Replays what iproute2 refused, byte for byte: what it refuses by itself, and how it tells what the kernel refused. */
import assert from "node:assert/strict";
import { type ApiAnswer, type ApiRequest, ApiServer, refusal } from "../tests/doubles/api_server.ts";
import { runAgainst } from "../tests/doubles/run_client.ts";
import { type Entry, readTranscript } from "../tests/doubles/transcript.ts";

const ERRNO_OF: Readonly<Record<string, string>> = {
  "File exists": "EEXIST",
  "Invalid argument": "EINVAL",
  "No such device": "ENODEV",
  "No such file or directory": "ENOENT",
  "No such process": "ESRCH",
  "Operation not permitted": "EPERM",
  "Operation not supported": "EOPNOTSUPP",
  "Device or resource busy": "EBUSY",
};

/** Commands that are the system's: the client of a gateway has none of their words. */
const SYSTEMS = /^ip (-\S+ )*(addr|route|netns|link set \S+ (multicast|arp|address|netns)|.* type dummy)/;
/** Listings of a kernel's devices, states and policies have tests of their own. */
const isListing = ({ words, stdout }: Entry) => stdout !== "" && !words!.includes("help");

Deno.test("client() tells every error of the transcripts as iproute2 does", async () => {
  const names = ["errors.txt", "link_show.txt", "xfrm_show.txt", "usage_errors.txt"];
  let answer: (request: ApiRequest) => ApiAnswer = () => ({ status: 204, body: null });
  await using server = await ApiServer.start((request) => answer(request));
  let [replayed, refused] = [0, 0];
  for (const entry of (await Promise.all(names.map(readTranscript))).flat()) {
    const { command, words, stdout, stderr, exitCode } = entry;
    if (words === null || SYSTEMS.test(command) || isListing(entry)) continue;
    if (/setdefault|policy set\b/.test(command)) continue;
    answer = kernelOf(entry);
    const ran = await runAgainst(server, words);
    const told = { exitCode: ran.exitCode, stderr: ran.stderr };
    assert.deepEqual(told, { exitCode, stderr }, command);
    if (stdout !== "") assert.equal(ran.stdout, stdout, command);
    replayed++;
    if (exitCode !== 0) refused++;
  }
  assert.ok(replayed > 450 && refused > 350, `only ${replayed} replayed, ${refused} of them refused`);
});

/** Where a request names the device below: `ip link` and `ip tunnel` differ. */
function underlayAttribute(path: string): string {
  return path.includes("/tunnels") ? "link" : "linkinfo.info_data.link";
}

/** The answers that led iproute2 to what it printed. Lookups succeed unless the transcript says otherwise. */
function kernelOf({ words, stderr }: Entry): (request: ApiRequest) => ApiAnswer {
  const reason = stderr.trimEnd().replace(/^.*(answers|failed): /, "");
  const errno = ERRNO_OF[reason];
  const isMissing = /^(Cannot find device|Device ".*" does not exist|get tunnel)/.test(stderr);
  const isUnderlay = words!.includes("dev") && stderr.startsWith("Cannot find device");
  return ({ method, path }) => {
    if (isUnderlay) return refusal("ENODEV", "No such device", { attribute: underlayAttribute(path) });
    if (isMissing) return refusal("ENODEV", "No such device");
    if (method === "GET" && !path.includes("/get?")) {
      return { status: 200, body: /\/(links|tunnels)\//.test(path) ? {} : [] };
    }
    if (errno !== undefined) return refusal(errno, reason);
    if (stderr.startsWith("Error: mtu less")) {
      return refusal("EINVAL", "Invalid argument", { attribute: "mtu" });
    }
    if (stderr === "") return { status: 200, body: {} };
    // Words of the kernel's own; iproute2 adds the full stop where there is none.
    const extack = stderr.trimEnd().replace(/^Error: (.*)\.$/, "$1");
    return refusal("EINVAL", "Invalid argument", { extack });
  };
}
