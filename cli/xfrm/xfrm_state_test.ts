import assert from "node:assert/strict";
import { type ApiAnswer, type ApiRequest, refusal } from "../../tests/doubles/api_server.ts";
import { runClient } from "../../tests/doubles/run_client.ts";
import { readTranscript } from "../../tests/doubles/transcript.ts";
import { readStates } from "../../tests/doubles/xfrm_text.ts";
import { Words } from "../words.ts";
import { xfrmStateModify } from "./xfrm_state_modify.ts";

const STATES = readStates(
  (await readTranscript("errors.txt")).find(({ command }) => command === "ip xfrm state list nokeys")!.stdout,
);
const PATH = `/v1/netns/pid:${Deno.pid}/xfrm/states`;

function parse(line: string, family: 0 | 4 | 6 = 0) {
  return xfrmStateModify(new Words(line.split(" ")), family);
}

async function ask(
  line: string,
  answer: (request: ApiRequest) => ApiAnswer = () => ({ status: 204, body: null }),
) {
  const { exitCode, stderr, stdout, requests } = await runClient(line.split(" "), answer);
  assert.deepEqual([exitCode, stderr], [0, ""], line);
  return {
    stdout,
    requests: requests.map(({ method, path, body }) => [method, path.replace(PATH, ""), body]),
  };
}

Deno.test("xfrmStateModify() reads a state with everything", () => {
  const line =
    "src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel mark 7 mask 0xff reqid 16 seq 3 " +
    "replay-window 64 replay-seq 1 replay-oseq 2 replay-seq-hi 3 replay-oseq-hi 4 flag esn noecn flag icmp " +
    "extra-flag dont-encap-dscp oseq-may-wrap sel src 10.0.0.0/8 dst 10.1/16 dev vti1 proto tcp sport 5 dport 0 " +
    "limit byte-hard 1000 limit time-use-soft 7 limit packet-soft 18446744073709551615 " +
    "encap espinudp 4500 4501 any output-mark 0x55 if_id 5 tfcpad 9 " +
    "auth-trunc hmac(sha256) 0xa0a1 128 enc cbc(aes) key";
  assert.deepEqual(parse(line), {
    src: "192.0.2.1",
    dst: "192.0.2.2",
    proto: "esp",
    spi: 0x1001,
    mark: { value: 7, mask: 0xff },
    mode: "tunnel",
    reqid: 16,
    seq: 0x03000000,
    replay_window: 64,
    replay_seq: 1,
    replay_oseq: 2,
    replay_seq_hi: 3,
    replay_oseq_hi: 4,
    flags: ["noecn", "icmp", "esn"],
    extra_flags: ["dont-encap-dscp", "oseq-may-wrap"],
    sel: {
      src: "10.0.0.0/8",
      dst: "10.1.0.0/16",
      proto: 6,
      sport: 5,
      sport_mask: 0xffff,
      dport: 0,
      dport_mask: 0,
      dev: "vti1",
    },
    limits: { byte_hard: 1000, time_use_soft: 7, packet_soft: "18446744073709551615" },
    encap: { type: "espinudp", sport: 4500, dport: 4501, oaddr: "0.0.0.0" },
    output_mark: { value: 0x55, mask: 0xffffffff },
    if_id: 5,
    tfcpad: 9,
    auth: { name: "hmac(sha256)", key: "0xa0a1", trunc_bits: 128 },
    enc: { name: "cbc(aes)", key: "key" },
  });
});

Deno.test("xfrmStateModify() leaves out what is not said", () => {
  assert.deepEqual(parse("proto comp comp deflate"), {
    src: "0.0.0.0",
    dst: "0.0.0.0",
    proto: "comp",
    spi: 0,
    comp: { name: "deflate" },
  });
  assert.deepEqual(parse("dst ::1 proto ah mark 7 mask 0 auth digest_null 0x1"), {
    src: "::",
    dst: "::1",
    proto: "ah",
    spi: 0,
    auth: { name: "digest_null", key: "0x1" },
  });
  assert.equal(parse("proto comp comp deflate", 6).dst, "::");
  assert.deepEqual(parse("proto comp comp deflate sel proto gre key 1.2.3.4").sel, {
    src: "0.0.0.0/0",
    dst: "0.0.0.0/0",
    proto: 47,
    sport: 0x0102,
    sport_mask: 0xffff,
    dport: 0x0304,
    dport_mask: 0xffff,
  });
});

Deno.test("doXfrmState() adds with POST and updates with PUT", async () => {
  const id = "src 192.0.2.1 dst 192.0.2.2 proto comp spi 5 comp deflate";
  const body = { src: "192.0.2.1", dst: "192.0.2.2", proto: "comp", spi: 5, comp: { name: "deflate" } };
  assert.deepEqual((await ask(`xfrm state add ${id}`)).requests, [["POST", "", body]]);
  assert.deepEqual((await ask(`xfrm state update ${id}`)).requests, [["PUT", "", body]]);
});

Deno.test("doXfrmState() names a state by its id and mark", async () => {
  const [state] = STATES;
  const one = () => ({ status: 200, body: state });
  const id = "src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001";
  const query = "?src=192.0.2.1&dst=192.0.2.2&proto=esp&spi=4097";
  assert.deepEqual((await ask(`xfrm state get ${id} mark 7`, one)).requests, [
    ["GET", `/get${query}&mark=7&mask=4294967295&keys=true`, undefined],
  ]);
  assert.deepEqual((await ask(`xfrm state delete ${id} mark 0`)).requests, [["DELETE", query, undefined]]);
});

Deno.test("doXfrmState() asks for keys unless told not to", async () => {
  const list = () => ({ status: 200, body: STATES });
  assert.deepEqual((await ask("xfrm state", list)).requests, [["GET", "?keys=true", undefined]]);
  assert.deepEqual((await ask("xfrm state list nokeys", list)).requests, [["GET", "", undefined]]);
});

Deno.test("doXfrmState() lists and removes what the filter means", async () => {
  const list = ({ method }: ApiRequest) =>
    method === "GET" ? { status: 200, body: STATES } : { status: 204, body: null };
  const shown = async (filter: string) =>
    [...(await ask(`xfrm state list ${filter}`, list)).stdout.matchAll(/spi 0x0*(\w+)/g)].map((found) =>
      found[1]
    );
  assert.deepEqual(await shown("spi 0x100a"), ["100a"]);
  assert.deepEqual(await shown("flag esn"), ["1007"]);
  assert.equal((await shown("src 192.0.0.0/16 proto esp mode tunnel reqid 0")).length, STATES.length);
  assert.deepEqual(await shown("dst 10.0.0.0/8"), []);
  assert.deepEqual(await shown("proto ah"), []);
  // 255 is no state's.
  assert.deepEqual(await shown("proto ipsec-any"), []);
  const families = await Promise.all(["-4", "-6", "-B"].map((family) => ask(`${family} xfrm state`, list)));
  assert.deepEqual(families.map(({ stdout }) => stdout === ""), [false, true, true]);
  const { requests } = await ask("xfrm state deleteall flag esn", list);
  assert.deepEqual(requests, [
    ["GET", "", undefined],
    ["DELETE", "?src=192.0.2.1&dst=192.0.2.2&proto=esp&spi=4103", undefined],
  ]);
});

Deno.test("doXfrmState() goes on when a state can't be deleted, and says so in the end", async () => {
  const answer = ({ method }: ApiRequest) =>
    method === "GET" ? { status: 200, body: STATES.slice(0, 2) } : refusal("ESRCH", "No such process");
  const { exitCode, stderr, requests } = await runClient(["xfrm", "state", "deleteall"], answer);
  assert.deepEqual([exitCode, requests.length], [1, 3]);
  assert.equal(stderr, "Failed to send delete-all request\n: No such process\n");
});

Deno.test("doXfrmState() counts, flushes and allocates", async () => {
  const list = () => ({ status: 200, body: STATES });
  for (const words of ["xfrm state count", "-o xfrm state count"]) {
    assert.equal((await ask(words, list)).stdout, `\t SAD count ${STATES.length}\n`, words);
  }
  assert.deepEqual((await ask("xfrm state flush")).requests, [["DELETE", "?flush=true", undefined]]);
  assert.deepEqual((await ask("xfrm state flush proto ah")).requests, [[
    "DELETE",
    "?flush=true&proto=ah",
    undefined,
  ]]);
  const one = () => ({ status: 201, body: STATES[0] });
  const { requests } = await ask(
    "xfrm state allocspi dst 192.0.2.2 proto comp mode tunnel reqid 4 mark 7",
    one,
  );
  const body = { src: "0.0.0.0", dst: "192.0.2.2", proto: "comp", reqid: 4, min: 0x100, max: 0xffff };
  const mark = { value: 7, mask: 0xffffffff };
  assert.deepEqual(requests, [["POST", "/allocspi", { ...body, mode: "tunnel", mark }]]);
});

Deno.test("doXfrmState() tells a missing device of the selector", async () => {
  const words = "xfrm state add proto comp comp deflate sel dev d9".split(" ");
  const { exitCode, stderr } = await runClient(
    words,
    () => refusal("ENODEV", "No such device", { attribute: "sel.dev" }),
  );
  assert.deepEqual([exitCode, stderr], [255, 'Error: argument "d9" is wrong: DEV value is invalid\n']);
});

Deno.test("doXfrmStat() prints as /proc/net/xfrm_stat", async () => {
  const { stdout } = (await readTranscript("xfrm_show.txt")).find(({ command }) =>
    command === "cat /proc/net/xfrm_stat"
  )!;
  const counters = Object.fromEntries(
    stdout.trim().split("\n").map((line) => line.split(/\s+/)).map(([name, value]) => [name, Number(value)]),
  );
  const ran = await ask("xfrm stat", () => ({ status: 200, body: counters }));
  assert.equal(ran.stdout, stdout);
});

Deno.test("xfrmStateModify() adds a second selector to the first", () => {
  const { sel } = parse("proto comp comp deflate sel src 10.0.0.0/8 proto tcp sport 5 sel dst 10.1.0.0/16");
  assert.deepEqual([sel!.src, sel!.dst, sel!.proto, sel!.sport, sel!.sport_mask], [
    "10.0.0.0/8",
    "10.1.0.0/16",
    6,
    5,
    0xffff,
  ]);
});
