import assert from "node:assert/strict";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import { ConfigKeeper } from "./apply_config.ts";

const KEY_A = `0x${"0a".repeat(20)}`;
const KEY_B = `0x${"0b".repeat(20)}`;

/** A state of a file, with more lines. */
function state(spi: number, key: string, more = ""): string {
  return `[[state]]
src = "192.0.2.1"
dst = "192.0.2.2"
proto = "esp"
spi = ${spi}
mode = "tunnel"
aead = { name = "rfc4106(gcm(aes))", key = "${key}", icv_bits = 128 }
${more}
`;
}

function policy(dir: string, more = ""): string {
  return `[[policy]]
dir = "${dir}"
src = "0.0.0.0/0"
dst = "0.0.0.0/0"
tmpl = [{ proto = "esp", mode = "tunnel", src = "192.0.2.1", dst = "192.0.2.2" }]
${more}
`;
}

interface Bench {
  readonly gateway: GatewayDouble;
  readonly log: string[];
  readonly ownedFile: string;
  /** Writes the file and loads it; what was told to listeners meanwhile, and the error's text. */
  load(text: string): Promise<{ readonly events: string[]; readonly error: string }>;
  /** A new keeper, as after a restart of the daemon with its state. */
  restart(): void;
}

async function withBench(fn: (bench: Bench) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/gateway.toml`;
  const gateway = new GatewayDouble();
  const log: string[] = [];
  const options = {
    crypto: "noble",
    ownedFile: `${directory}/state/owned.json`,
    log: (line: string) => void log.push(line.replaceAll(path, "FILE")),
  } as const;
  let keeper = new ConfigKeeper(gateway, options);
  try {
    await fn({
      gateway,
      log,
      ownedFile: options.ownedFile,
      async load(text) {
        const before = gateway.eventLog.length;
        await Deno.writeTextFile(path, text, { mode: 0o600 });
        const error = await keeper.load(path).then(
          () => "",
          (e: Error) => e.message.replaceAll(path, "FILE"),
        );
        return { events: gateway.eventLog.slice(before).map(({ kind }) => kind), error };
      },
      restart() {
        keeper = new ConfigKeeper(gateway, options);
      },
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const FULL = state(1, KEY_A, "limits = { byte_hard = 1000 }") + state(2, KEY_B) + policy("out") +
  policy("in");

/** What loads one file after the other in a gateway that has what the first says. */
function test(name: string, fn: (bench: Bench) => Promise<void>): void {
  Deno.test(`ConfigKeeper.load() ${name}`, () =>
    withBench(async (bench) => {
      const { events, error } = await bench.load(FULL);
      assert.deepEqual([events, error], [["newsa", "newsa", "newpolicy", "newpolicy"], ""]);
      await fn(bench);
    }));
}

test("touches nothing when nothing has changed, comments and order aside", async ({ load, log, restart }) => {
  const again = `# again\n${policy("in")}${state(2, KEY_B)}${policy("out")}` +
    state(1, KEY_A.toUpperCase().replace("0X", "0x"), "limits = { byte_hard = 1_000 }\nflags = []");
  assert.deepEqual(await load(again), { events: [], error: "" });
  assert.equal(log.at(-1), "FILE: nothing to change");
  restart();
  assert.deepEqual(await load(FULL), { events: [], error: "" });
});

test("removes what has left the file, and nothing that others made", async ({ load, gateway, restart }) => {
  const other = { src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", spi: 9, mode: "tunnel" } as const;
  const aead = { name: "rfc4106(gcm(aes))", key: KEY_B, icv_bits: 128 };
  assert.ok((await gateway.newState("self", { ...other, aead })).ok);
  assert.deepEqual(await load(state(2, KEY_B) + policy("out")), {
    events: ["delpolicy", "delsa"],
    error: "",
  });
  restart();
  assert.deepEqual(await load(""), { events: ["delpolicy", "delsa"], error: "" });
  assert.equal(gateway.xfrm.stateCount, 1);
});

test("replaces a state that has a new key, and updates what can be updated", async ({ load, gateway }) => {
  const newKey = FULL.replace(KEY_B, `0x${"0c".repeat(20)}`);
  assert.deepEqual(await load(newKey), { events: ["delsa", "newsa"], error: "" });
  const newLimit = newKey.replace("byte_hard = 1000", "byte_hard = 2000");
  assert.deepEqual(await load(newLimit), { events: ["updsa"], error: "" });
  const states = await gateway.listStates("self", { spi: 1 }, false);
  assert.deepEqual(states.ok && states.value.map(({ limits }) => limits), [{ byte_hard: 2000 }]);
});

test("updates a policy where it is", async ({ load, gateway }) => {
  const before = await gateway.listPolicies("self");
  assert.deepEqual(await load(FULL.replace('dir = "out"', 'dir = "out"\npriority = 7')), {
    events: ["updpolicy"],
    error: "",
  });
  const after = await gateway.listPolicies("self");
  assert.ok(before.ok && after.ok);
  assert.deepEqual(
    after.value.map(({ index }) => index).sort(),
    before.value.map(({ index }) => index).sort(),
  );
});

test("changes nothing when any line is wrong", async ({ load }) => {
  const { events, error } = await load(`${state(3, KEY_A)}${policy("fwd").replace("0.0.0.0/0", "x")}`);
  assert.deepEqual(events, []);
  assert.equal(error, 'FILE:11: key "src": got "x", expected an address and prefix, as 10.0.0.0/8');
});

test("refuses a state that would count anew under its old key", async ({ load }) => {
  const reqid = FULL.replace("spi = 2", "spi = 2\nreqid = 5");
  assert.match((await load(reqid)).error, /^FILE:9: Cannot change state: its key is the one it had/);
  const spi = FULL.replace("spi = 2", "spi = 3");
  const { events, error } = await load(spi);
  assert.match(error, /^FILE:9: Cannot add state: its key is that of one that goes; give it a new key$/);
  assert.deepEqual(events, []);
});

test("does not make a state again that has met its end", async ({ load, gateway, log, restart }) => {
  const id = { src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", spi: 2 } as const;
  assert.ok((await gateway.delState("self", id)).ok);
  for (const again of [() => {}, restart]) {
    again();
    assert.deepEqual(await load(FULL), { events: [], error: "" });
    assert.ok(
      log.some((line) => /^FILE:13: the state is not made again: .* give it a new key$/.test(line)),
      log.join("\n"),
    );
  }
  assert.deepEqual(await load(FULL.replace(KEY_B, `0x${"0d".repeat(20)}`)), { events: ["newsa"], error: "" });
});

test("makes policies again that somebody removed", async ({ load, gateway }) => {
  await gateway.flushPolicies("self", "main");
  assert.deepEqual(await load(FULL), { events: ["newpolicy", "newpolicy"], error: "" });
});

Deno.test("ConfigKeeper.load() takes over what is as the file says, and clashes with what is not", () =>
  withBench(async ({ load, gateway }) => {
    const id = { src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", spi: 1, mode: "tunnel" } as const;
    const aead = { name: "rfc4106(gcm(aes))", key: KEY_A, icv_bits: 128 };
    await gateway.newState("self", { ...id, aead });
    const other = await load(`${policy("out")}${state(1, KEY_B)}`);
    assert.deepEqual(other, {
      events: [],
      error: "FILE:11: Cannot add state: one with this dst, proto, spi and mark exists, not from a file",
    });
    assert.deepEqual(await load(state(1, KEY_A)), { events: [], error: "" });
    assert.deepEqual(await load(""), { events: ["delsa"], error: "" });
  }));

Deno.test("ConfigKeeper.load() writes no key down, and what it writes only for its owner", () =>
  withBench(async ({ load, ownedFile, log }) => {
    await load(FULL);
    const { mode } = await Deno.stat(ownedFile);
    assert.equal(mode! & 0o777, 0o600);
    const written = await Deno.readTextFile(ownedFile);
    assert.match(written, /"kind\\*":\\*"state/);
    for (const key of [KEY_A, KEY_B]) assert.ok(!(written + log.join()).includes(key.slice(2)));
  }));
