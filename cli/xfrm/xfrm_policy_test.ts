import assert from "node:assert/strict";
import type { ApiAnswer, ApiRequest } from "../../tests/doubles/api_server.ts";
import { runClient } from "../../tests/doubles/run_client.ts";
import { readTranscript } from "../../tests/doubles/transcript.ts";
import { readPolicies } from "../../tests/doubles/xfrm_text.ts";
import { Words } from "../words.ts";
import { policyFilterParse, xfrmPolicyModify } from "./xfrm_policy_parse.ts";

const SHOWN = await readTranscript("policies.txt");
const POLICIES = readPolicies(SHOWN.find(({ command }) => command === "ip -s xfrm policy")!.stdout);
const PATH = `/v1/netns/pid:${Deno.pid}/xfrm/policies`;
const ANY = {
  src: "0.0.0.0/0",
  dst: "0.0.0.0/0",
  proto: 0,
  sport: 0,
  sport_mask: 0,
  dport: 0,
  dport_mask: 0,
};

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

const list = ({ method }: ApiRequest) =>
  method === "GET" ? { status: 200, body: POLICIES } : { status: 204, body: null };

Deno.test("xfrmPolicyModify() reads a policy with everything", () => {
  const line =
    "src 10.0.0.0/8 dst 10.1.0.0/16 dev vti1 proto icmp type 8 code 0 dir out mark 7 index 9 ptype main " +
    "action block priority 5 flag localok icmp if_id 3 limit byte-hard 5 " +
    "tmpl src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x10 mode tunnel reqid 4 level use tmpl proto comp";
  assert.deepEqual(xfrmPolicyModify(new Words(line.split(" ")), 0), {
    sel: {
      src: "10.0.0.0/8",
      dst: "10.1.0.0/16",
      proto: 1,
      sport: 8,
      sport_mask: 0xffff,
      dport: 0,
      dport_mask: 0xffff,
      dev: "vti1",
    },
    dir: "out",
    index: 9,
    ptype: "main",
    if_id: 3,
    mark: { value: 7, mask: 0xffffffff },
    action: "block",
    priority: 5,
    flags: ["localok", "icmp"],
    limits: { byte_hard: 5 },
    tmpl: [
      {
        src: "192.0.2.2",
        dst: "192.0.2.1",
        proto: "esp",
        spi: 0x10,
        mode: "tunnel",
        reqid: 4,
        level: "use",
      },
      // Of the family of the template before it.
      { src: "0.0.0.0", dst: "0.0.0.0", proto: "comp" },
    ],
  });
});

Deno.test("xfrmPolicyModify() adds up flags", () => {
  const { flags } = xfrmPolicyModify(new Words("dir in flag localok flag icmp".split(" ")), 0);
  assert.deepEqual(flags, ["localok", "icmp"]);
});

Deno.test("xfrmPolicyModify() takes any selector of the family for none", () => {
  const parse = (line: string, family: 0 | 4 | 6) => xfrmPolicyModify(new Words(line.split(" ")), family);
  assert.deepEqual(parse("dir in", 0), { sel: ANY, dir: "in" });
  assert.deepEqual(parse("dir in", 6).sel, { ...ANY, src: "::/0", dst: "::/0" });
  assert.deepEqual(parse("dir in dst fe80::1", 0).sel, { ...ANY, src: "::/0", dst: "fe80::1/128" });
});

Deno.test("doXfrmPolicy() adds with POST and updates with PUT", async () => {
  const body = { sel: ANY, dir: "in", priority: 3 };
  assert.deepEqual((await ask("xfrm policy add dir in priority 3")).requests, [["POST", "", body]]);
  assert.deepEqual((await ask("xfrm policy update dir in priority 3")).requests, [["PUT", "", body]]);
});

Deno.test("doXfrmPolicy() names a policy by its selector or index", async () => {
  const one = () => ({ status: 200, body: POLICIES[0] });
  const whole = "src=10.0.0.0%2F8&dst=0.0.0.0%2F0&proto=6&sport=5&sport_mask=65535&dport=0&dport_mask=0";
  assert.deepEqual((await ask("xfrm policy get dir in src 10.0.0.0/8 proto tcp sport 5", one)).requests, [
    ["GET", `/get?dir=in&${whole}`, undefined],
  ]);
  assert.deepEqual((await ask("xfrm policy delete dir out index 9 mark 7 ptype main if_id 4")).requests, [
    ["DELETE", "?dir=out&index=9&ptype=main&if_id=4&mark=7&mask=4294967295", undefined],
  ]);
});

Deno.test("doXfrmPolicy() lists and removes what the filter means", async () => {
  const indexes = async (filter: string, family = "-s") =>
    [...(await ask(`${family} -s xfrm policy list ${filter}`, list)).stdout.matchAll(/index (\d+)/g)]
      .map((found) => Number(found[1]));
  const wanted = (test: (policy: typeof POLICIES[number]) => boolean) =>
    POLICIES.filter(test).map(({ index }) => index);
  assert.deepEqual(await indexes("nosock"), wanted(() => true));
  assert.deepEqual(await indexes("dir in"), wanted(({ dir }) => dir === "in"));
  assert.deepEqual(await indexes("action block ptype sub"), wanted(({ ptype }) => ptype === "sub"));
  assert.deepEqual(await indexes("flag localok"), wanted(({ flags }) => flags.includes("localok")));
  assert.deepEqual(await indexes("dev lo"), wanted(({ sel }) => sel.dev === "lo"));
  assert.deepEqual(await indexes("src 9.0.0.0/8"), wanted(({ sel }) => sel.src === "9.9.9.9/32"));
  assert.deepEqual(await indexes("proto gre"), wanted(({ sel }) => sel.proto === 47));
  assert.deepEqual(await indexes("priority 4294967295"), wanted(({ priority }) => priority > 0));
  assert.deepEqual(await indexes("index 48"), [48]);
  assert.deepEqual(await indexes("nosock", "-6"), wanted(({ sel }) => sel.src.includes(":")));
  const { requests } = await ask("xfrm policy deleteall index 48", list);
  assert.deepEqual(requests, [["GET", "", undefined], ["DELETE", "?dir=in&index=48&ptype=main", undefined]]);
  const sub = () => ({ status: 200, body: [{ ...POLICIES[0], ptype: "sub" }] });
  const left = await runClient(["-s", "-s", "xfrm", "policy", "deleteall"], sub);
  assert.deepEqual([left.exitCode, left.requests.length, left.stderr], [
    1,
    1,
    "Delete-all round = 0\n" +
    "Failed to send delete-all request: No such file or directory\n",
  ]);
});

const SPD = {
  default: { in: "accept", fwd: "block", out: "accept" },
  hthresh4: { lbits: 32, rbits: 32 },
  hthresh6: { lbits: 128, rbits: 128 },
};

Deno.test("doXfrmPolicy() counts and flushes", async () => {
  const list = ({ path }: ApiRequest) => ({ status: 200, body: path.endsWith("/spd") ? SPD : POLICIES });
  for (
    const command of ["ip xfrm policy count", "ip -s -s xfrm policy count", "ip -o -s xfrm policy count"]
  ) {
    const { words, stdout } = SHOWN.find((entry) => entry.command === command)!;
    assert.equal((await ask(words!.join(" "), list)).stdout, stdout, command);
  }
  assert.deepEqual((await ask("xfrm policy flush")).requests, [["DELETE", "?flush=true", undefined]]);
  assert.deepEqual((await ask("xfrm policy flush ptype sub")).requests, [
    ["DELETE", "?flush=true&ptype=sub", undefined],
  ]);
});

Deno.test("doXfrmPolicy() sets and shows what the SPD says beside its policies", async () => {
  const spd = () => ({ status: 200, body: SPD });
  const change = async (line: string) => (await ask(`xfrm policy ${line}`, spd)).requests[0]!.slice(0, 3);
  const path = PATH.replace("policies", "spd");
  assert.deepEqual(await change("set hthresh4 24 16 hthresh6 0 0x80"), ["PATCH", path, {
    hthresh4: { lbits: 24, rbits: 16 },
    hthresh6: { lbits: 0, rbits: 128 },
  }]);
  assert.deepEqual(await change("setdefault in block out accept"), ["PATCH", path, {
    default: { in: "block", out: "accept" },
  }]);
  const { stdout } = await ask("xfrm policy getdefault", spd);
  assert.equal(stdout, "Default policies:\n in:  accept\n fwd: block\n out: accept\n");
  const wrong: [words: string, stderr: string][] = [
    ["set hthresh4 33 0", 'argument "33" is wrong: hthresh4 LBITS value is invalid'],
    ["set hthresh6 0 129", 'argument "129" is wrong: hthresh6 RBITS value is invalid'],
    ["set hthresh4 1 1 hthresh4 2 2", 'duplicate "hthresh4": "hthresh4" is the second value.'],
    ["set foo", 'argument "foo" is wrong: unknown'],
    ["setdefault in allow", 'argument "allow" is wrong: in policy value is invalid'],
    ["setdefault all block", 'argument "all" is wrong: unknown direction'],
    ["setdefault in block in block", 'duplicate "in": "in" is the second value.'],
  ];
  for (const [words, reason] of wrong) {
    const { exitCode, stderr } = await runClient(["xfrm", "policy", ...words.split(" ")], spd);
    assert.deepEqual([exitCode, stderr], [255, `Error: ${reason}\n`], words);
  }
});

Deno.test("policyFilterParse() takes the last of words that come twice", () => {
  const wanted = policyFilterParse(new Words("dir in index 5 dir out index 9".split(" ")), { family: 0 });
  const policy = { ...POLICIES[0]!, dir: "out", index: 9 } as const;
  assert.deepEqual([wanted(policy), wanted({ ...policy, index: 5 }), wanted({ ...policy, dir: "in" })], [
    true,
    false,
    false,
  ]);
});
