import assert from "node:assert/strict";
import { readConfigFile } from "./config_file.ts";
import { rehearse } from "./config_rehearsal.ts";
import { linkEntry, netnsEntry, policyEntry, stateEntry } from "./config_schema.ts";

const KEY = "0x000102030405060708090a0b0c0d0e0f10111213";
const AEAD = `aead = { name = "rfc4106(gcm(aes))", icv_bits = 128, key = "${KEY}" }`;
const STATE = `[[state]]
src = "192.0.2.1"
dst = "192.0.2.2"
proto = "esp"
spi = 0x1001
mode = "tunnel"
${AEAD}
`;
const POLICY = `[[policy]]
dir = "out"
src = "0.0.0.0/0"
dst = "0.0.0.0/0"
`;
const LINK = `[[link]]
name = "vti1"
remote = "192.0.2.2"
`;

/** Runs `fn` with a file of this text, readable by nobody else. */
async function withFile<T>(text: string, fn: (path: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/gateway.toml`;
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    return await fn(path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What is said of a wrong file, without its directory; "" of a right one. */
function complaint(text: string): Promise<string> {
  return withFile(text, async (path) => {
    try {
      rehearse(await readConfigFile(path), "noble", () => new Set());
      return "";
    } catch (error) {
      assert.equal((error as Error).name, "ConfigError", (error as Error).stack);
      return (error as Error).message.replaceAll(path, "FILE");
    }
  });
}

/** Text of a file, and what is said of it. */
const WRONG: readonly (readonly [text: string, message: string])[] = [
  // TOML.
  ["[[link]]\nname = vti1", "FILE:2: not TOML: invalid value"],
  [
    '[[link]]\nname = "a"\nname = "b"',
    "FILE:3: not TOML: trying to redefine an already defined table or value",
  ],
  [
    `${STATE}key = "${KEY}" x`,
    "FILE:8: not TOML: each key-value declaration must be followed by an end-of-line",
  ],
  // Tables and keys.
  ["[[lnk]]", 'FILE:1: key "lnk": got a list, expected one of netns, link, state, policy'],
  ["link = 7", 'FILE:1: key "link": got 7, expected a list'],
  ["[link]\nname = 'a'", 'FILE:1: key "link": got a table, expected a list'],
  [
    `${LINK}colour = "red"`,
    'FILE:4: key "colour": got "red", expected one of netns, name, local, remote, key, ikey, okey, dev, fwmark, mtu, ' +
    "up, addresses, routes",
  ],
  // Namespaces.
  ["[[netns]]", 'FILE:1: key "name": got nothing, expected the name of a network namespace'],
  ['[[netns]]\nname = "a/b"', 'FILE:2: key "name": got "a/b", expected the name of a network namespace'],
  [
    '[[netns]]\nname = "vtt-a"\n[[netns]]\nname = "vtt-a"',
    'FILE:4: Cannot make namespace "vtt-a": it is named twice',
  ],
  [
    '[[netns]]\nname = "vtt-none"\ncreate = false',
    'FILE:2: Cannot use namespace "vtt-none": it is not there, and no [[netns]] makes it',
  ],
  [
    `${LINK}netns = "vtt-none"`,
    'FILE:4: Cannot use namespace "vtt-none": it is not there, and no [[netns]] makes it',
  ],
  // Links.
  ["\n\n[[link]]\n", 'FILE:3: key "name": got nothing, expected a device name of 1 to 15 characters'],
  ['[[link]]\nname = "a b"', 'FILE:2: key "name": got "a b", expected a device name of 1 to 15 characters'],
  [
    `${LINK}\n# comment\nlocal = "192.0.2"`,
    'FILE:6: key "local": got "192.0.2", expected an IPv4 address',
  ],
  [`${LINK}local = "2001:db8::1"`, 'FILE:4: key "local": got "2001:db8::1", expected an IPv4 address'],
  [
    `${LINK}key = "7"`,
    'FILE:4: key "key": got "7", expected a number of 0 to 4294967295, or a dotted quad',
  ],
  [
    `${LINK}ikey = 4294967296`,
    'FILE:4: key "ikey": got 4294967296, expected a number of 0 to 4294967295',
  ],
  [`${LINK}key = 7\nikey = 7`, 'FILE:4: key "key": got 7, expected either key, or ikey and okey'],
  [`${LINK}mtu = "big"`, 'FILE:4: key "mtu": got "big", expected a number of 68 to 65515'],
  [`${LINK}mtu = 67`, 'FILE:4: key "mtu": got 67, expected a number of 68 to 65515'],
  [`${LINK}up = "yes"`, 'FILE:4: key "up": got "yes", expected true or false'],
  [
    `${LINK}addresses = [\n  "10.9.0.1/30",\n  "10.9.0.1",\n]`,
    'FILE:6: key "addresses[1]": got "10.9.0.1", expected an address and prefix, as 10.9.0.1/30',
  ],
  [`${LINK}addresses = "10.9.0.1/30"`, 'FILE:4: key "addresses": got "10.9.0.1/30", expected a list'],
  [
    `${LINK}routes = ["10.50.0.1/16"]`,
    'FILE:4: key "routes[0]": got "10.50.0.1/16", expected a network without host bits, as 10.50.0.0/16',
  ],
  [
    `${LINK}routes = ["fd00:50::1/64"]`,
    'FILE:4: key "routes[0]": got "fd00:50::1/64", expected a network without host bits, as 10.50.0.0/16',
  ],
  [
    `${LINK}up = false\nroutes = ["10.50.0.0/16"]`,
    'FILE:5: key "routes": got a list, expected none on a link that is not up',
  ],
  [`${LINK}dev = "nosuch0"`, 'FILE:4: Cannot create link "vti1": there is no device "nosuch0"'],
  [`${LINK}${LINK}`, 'FILE:5: Cannot create link "vti1": it is named twice'],
  [
    `${LINK}${LINK.replace("vti1", "vti2")}`,
    'FILE:5: Cannot create link "vti2": "vti1" has the same local, remote and dev',
  ],
  ['[[link]]\nname = "vti1"', 'FILE:2: Cannot create link "vti1": it needs local, remote or dev'],
  [
    '[[link]]\nname = "lo"\nremote = "192.0.2.2"',
    'FILE:2: Cannot create link "lo": a device of that name exists',
  ],
  // States.
  [
    STATE.replace('mode = "tunnel"\n', ""),
    'FILE:1: key "mode": got nothing, expected one of "transport"|"tunnel"|"ro"|"in_trigger"|"beet"',
  ],
  [STATE.replace('"esp"', '"sctp"'), 'FILE:4: key "proto": got "sctp", expected one of "esp"|"ah"|"comp"'],
  [STATE.replace("0x1001", "-1"), 'FILE:5: key "spi": got -1, expected a number of 0 to 4294967295'],
  [STATE.replace('"192.0.2.2"', '"host"'), 'FILE:3: key "dst": got "host", expected an IPv4 or IPv6 address'],
  [`${STATE}mark = "7"`, 'FILE:8: key "mark": got "7", expected a number, or a table of value and mask'],
  [
    `${STATE}flags = ["esn", "fast"]`,
    'FILE:8: key "flags[1]": got "fast", expected one of "noecn"|"decap-dscp"|"nopmtudisc"|"wildrecv"|"icmp"|"af-unspec"|"align4"|"esn"',
  ],
  [
    `${STATE}[state.limits]\nbyte_hrd = 5`,
    'FILE:9: key "limits.byte_hrd": got 5, expected one of byte_soft, byte_hard, packet_soft, packet_hard, time_soft, ' +
    "time_hard, time_use_soft, time_use_hard",
  ],
  [
    STATE.replace("spi = 0x1001\n", "spi = 5_000_000_000\n"),
    'FILE:5: key "spi": got 5000000000, expected a number of 0 to 4294967295',
  ],
  [
    `${STATE}${STATE}`,
    "FILE:8: Cannot add SA 192.0.2.1 to 192.0.2.2 esp spi 0x00001001: one that takes its mark exists",
  ],
  [
    STATE.replace("128", "100"),
    "FILE:7: Cannot make SA: no algorithm rfc4106(gcm(aes)) with 100 bits of ICV",
  ],
  [
    STATE.replace("gcm(aes)", "gcm(des)"),
    "FILE:7: Cannot make SA: no algorithm rfc4106(gcm(des)) with 128 bits of ICV",
  ],
  // Policies.
  [
    `${POLICY}proto = "http"`,
    'FILE:5: key "proto": got "http", expected a number of 0 to 255, or one of any, icmp, tcp, udp, gre, ipv6-icmp, sctp',
  ],
  [
    POLICY.replace('src = "0.0.0.0/0"\n', ""),
    'FILE:1: key "src": got nothing, expected an address and prefix, as 10.0.0.0/8',
  ],
  [
    POLICY.replace('"0.0.0.0/0"', '"10.0.0.0/33"'),
    'FILE:3: key "src": got "10.0.0.0/33", expected an address and prefix, as 10.0.0.0/8',
  ],
  [
    `${POLICY}tmpl = [{ proto = "esp", mode = "tunnel" },\n  { proto = "esp", mode = "tunnel", src = "x" }]`,
    'FILE:6: key "tmpl[1].src": got "x", expected an IPv4 or IPv6 address',
  ],
  [
    `${POLICY}[[policy.tmpl]]\nproto = "esp"\n[[policy]]`,
    'FILE:5: key "tmpl[0].mode": got nothing, expected one of "transport"|"tunnel"|"ro"|"in_trigger"|"beet"',
  ],
  [`${POLICY}${POLICY}`, "FILE:5: Cannot add policy: index 1 has this selector and mark"],
  [`${POLICY}dev = "nosuch0"`, "FILE:5: Cannot parse selector: no device nosuch0"],
  [
    POLICY.replace('dst = "0.0.0.0/0"', 'dst = "::/0"'),
    "FILE:4: Cannot parse selector: src and dst are of different families",
  ],
];

Deno.test("readConfigFile() and rehearse() say of each wrong file where and what", async () => {
  const said = await Promise.all(WRONG.map(([text]) => complaint(text)));
  for (const [i, [text, message]] of WRONG.entries()) assert.equal(said[i], message, text);
});

const AEAD_ONLY = 'aead = { name = "rfc4106(gcm(aes))", icv_bits = 128';

Deno.test("readConfigFile() never repeats what may be a key", async () => {
  const cases: readonly (readonly [text: string, key: string])[] = [
    [STATE.replace(KEY, `${KEY}0`), "aead.key"],
    [STATE.replace(KEY, "correct horse"), "aead.key"],
    [STATE.replace(`key = "${KEY}"`, `hex = "${KEY}"`), "aead.hex"],
    [STATE.replace(AEAD, `aead = "rfc4106(gcm(aes)) ${KEY} 128"`), "aead"],
    [STATE.replace(AEAD, `aead_key = "${KEY}"`), "aead_key"],
    [STATE.replace(AEAD, `${AEAD_ONLY}, key_file = "${KEY}" }`), "aead.key_file"],
    [`${LINK}fwmark = "${KEY}"`, "fwmark"],
    [`x = "${KEY}"`, "x"],
  ];
  for (const [text, key] of cases) {
    const message = await complaint(text);
    assert.ok(message.includes(`key "${key}": got a value that is not shown`), `${message} of\n${text}`);
    assert.ok(!message.includes(KEY) && !message.includes("horse"), message);
  }
  // The parser shows the line that it can't read.
  assert.ok(!(await complaint(`${STATE.trimEnd()} x`)).includes(KEY));
});

Deno.test("readConfigFile() takes keys from files beside the configuration, and says what is wrong with them", async () => {
  const text = STATE.replace(AEAD, `${AEAD_ONLY}, key_file = "out.key" }`);
  await withFile(text, async (path) => {
    const keyFile = path.replace("gateway.toml", "out.key");
    const at = `${path}:7: key "aead.key_file": got "out.key", expected a file`;
    await assert.rejects(readConfigFile(path), { message: `${at}: no such file` });
    await Deno.writeTextFile(keyFile, "secret\n", { mode: 0o600 });
    await assert.rejects(readConfigFile(path), {
      message: `${at} with 0x and an even number of hex digits`,
    });
    await Deno.writeTextFile(keyFile, `${KEY}\n`);
    const { states: [state], warnings } = await readConfigFile(path);
    assert.deepEqual(state!.entry.aead, { name: "rfc4106(gcm(aes))", icv_bits: 128, key: KEY });
    assert.deepEqual(warnings, []);
  });
  const both = STATE.replace(AEAD, `${AEAD_ONLY}, key = "${KEY}", key_file = "out.key" }`);
  assert.match(
    await complaint(both),
    /^FILE:7: key "aead.key": got .*, expected either key, .* or key_file$/,
  );
  const none = STATE.replace(AEAD, `${AEAD_ONLY} }`);
  assert.match(
    await complaint(none),
    /^FILE:7: key "aead.key": got nothing, expected either key, .* or key_file$/,
  );
});

Deno.test("readConfigFile() warns once of keys that others may read", async () => {
  await withFile(STATE + STATE, async (path) => {
    await Deno.chmod(path, 0o640);
    assert.deepEqual((await readConfigFile(path)).warnings, [
      `${path}: holds keys that others may read; chmod 600 ${path}`,
    ]);
  });
  await withFile(LINK, async (path) => {
    await Deno.chmod(path, 0o644);
    assert.deepEqual((await readConfigFile(path)).warnings, [], "no key, nothing to hide");
  });
});

Deno.test("readConfigFile() says why a file can't be read", async () => {
  await withFile("", async (path) => {
    const other = `${path}.none`;
    await assert.rejects(readConfigFile(other), {
      name: "ConfigError",
      message: `Cannot read config file ${other}: no such file`,
    });
  });
});

Deno.test("readConfigFile() takes the defaults, marks, keys and protocols as they are written", async () => {
  const text = `${LINK}okey = "0.0.0.9"
${STATE}mark = 7
${POLICY}proto = "tcp"
mark = { value = 1, mask = 15 }
[[netns]]
name = "x"`;
  await withFile(text, async (path) => {
    const { netns, links, states, policies } = await readConfigFile(path);
    assert.deepEqual(netns[0]!.entry, { name: "x", create: true });
    assert.deepEqual(links[0]!.entry, {
      netns: "self",
      name: "vti1",
      remote: "192.0.2.2",
      okey: 9,
      up: true,
      addresses: [],
      routes: [],
    });
    assert.deepEqual(states[0]!.entry.mark, { value: 7, mask: 0xffffffff });
    assert.equal(policies[0]!.entry.proto, 6);
    assert.deepEqual(policies[0]!.entry.mark, { value: 1, mask: 15 });
    assert.equal(links[0]!.at("okey"), `${path}:4`);
    assert.equal(states[0]!.at(), `${path}:5`);
    assert.equal(states[0]!.at("aead.key"), `${path}:11`);
  });
});

const EXAMPLE = new URL("../examples/gateway.toml", import.meta.url).pathname;

Deno.test("the example is right, and has every key that a file may have", async () => {
  const file = await readConfigFile(EXAMPLE);
  const rehearsed = rehearse(file, "noble", () => new Set());
  assert.deepEqual([rehearsed.links.length, rehearsed.states.length, rehearsed.policies.length], [2, 3, 5]);
  const text = await Deno.readTextFile(EXAMPLE);
  const tables = { netns: netnsEntry, link: linkEntry, state: stateEntry, policy: policyEntry };
  for (const [table, { shape }] of Object.entries(tables)) {
    const own = text.split(/^\s*\[\[/m).filter((part) => part.startsWith(`${table}]]`)).join("");
    const missing = Object.keys(shape).filter((key) => !new RegExp(`(^|[\\s#])${key} = `, "m").test(own));
    assert.deepEqual(missing, [], `keys of [[${table}]] that the example lacks`);
  }
});
