/**
 * Keys that can be told from anything else go into every place that takes one; then all that the daemon and its client
 * print, answer, store and show to other processes is searched for them.
 */
import assert from "node:assert/strict";
import { Daemon } from "../doubles/daemon.ts";
import { run, Topology } from "../doubles/topology.ts";

/**
 * Every secret has one of these in it, in hex, as bytes or as characters. A key in characters can be told from a name
 * only where a key belongs; one in hex also where it does not.
 */
const HEX_MARK = "5ec7e75ec7e7";
const ASCII_MARK = "kan4rienvogel";
const MARKS = new RegExp(`${HEX_MARK}|${ASCII_MARK}|\\x5e\\xc7\\xe7\\x5e`, "i");

/** A key of `bytes` bytes in hex, without 0x. */
function hexKey(bytes: number): string {
  return HEX_MARK.repeat(bytes).slice(0, 2 * bytes);
}
function asciiKey(bytes: number): string {
  return ASCII_MARK.repeat(bytes).slice(0, bytes);
}

const AEAD = { name: "rfc4106(gcm(aes))", key: `0x${hexKey(20)}`, icv_bits: 128 };
const ENC = { name: "cbc(aes)", key: `0x${hexKey(16)}` };
const AUTH = { name: "hmac(sha256)", key: asciiKey(32), trunc_bits: 128 };

function state(spi: number, algorithms: object) {
  return {
    ...{ src: "192.0.2.1", dst: "192.0.2.2", proto: "esp", spi, mode: "tunnel" },
    ...{ mark: { value: 7, mask: 0xffffffff }, ...algorithms },
  };
}

/** Keys in good and bad requests, and where no key belongs. */
const REQUESTS: readonly unknown[] = [
  state(1, { aead: AEAD }),
  state(1, { aead: AEAD }),
  state(2, { enc: ENC, auth: AUTH }),
  state(3, { aead: { ...AEAD, key: asciiKey(20) } }),
  state(4, { aead: { ...AEAD, key: `0x${hexKey(19)}` } }),
  state(4, { aead: { ...AEAD, key: `0x${hexKey(20)}q` } }),
  state(4, { aead: { ...AEAD, key: `0x${hexKey(600)}` } }),
  state(4, { aead: { ...AEAD, key: [AEAD.key] } }),
  state(4, { aead: { ...AEAD, name: AEAD.key } }),
  state(4, { aead: { ...AEAD, icv_bits: AEAD.key } }),
  state(4, { aead: AEAD.key }),
  state(4, { enc: { ...ENC, name: AEAD.key }, auth: AUTH }),
  state(4, { enc: ENC, auth: { ...AUTH, trunc_bits: 1 } }),
  state(4, { enc: ENC, auth: { ...AUTH, key: { key: AUTH.key } } }),
  { ...state(4, { aead: AEAD }), key: AEAD.key },
  { ...state(4, { aead: AEAD }), [AEAD.key]: 1 },
  { ...state(4, { aead: AEAD }), src: AEAD.key },
  { ...state(4, { aead: AEAD }), dst: AEAD.key },
  { ...state(4, { aead: AEAD }), sel: { src: AEAD.key } },
  { ...state(4, { aead: AEAD }), spi: AEAD.key },
];

/** Words of the client with keys in right and wrong places. */
const WORDS: readonly string[] = [
  `xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mark 7 mode tunnel aead rfc4106(gcm(aes)) 0x${
    hexKey(20)
  } 128`,
  `xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 9 mode tunnel aead rfc4106(gcm(aes)) 0x${
    hexKey(20)
  }zz 128`,
  `xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 9 mode tunnel aead rfc4106(gcm(aes)) ${
    asciiKey(600)
  } 128`,
  `xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 9 mode tunnel aead rfc4106(gcm(aes)) 128 0x${
    hexKey(20)
  }`,
  `xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 9 mode tunnel aead 0x${
    hexKey(20)
  } rfc4106(gcm(aes)) 128`,
  `xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 9 mode tunnel aead rfc4106(gcm(aes)) 0x${
    hexKey(20)
  }`,
  `xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 9 mode tunnel enc cbc(aes) 0x${hexKey(16)} 0x${
    hexKey(16)
  }`,
  `xfrm state add src 192.0.2.1 dst 0x${hexKey(20)} proto esp spi 9 mode tunnel`,
  `xfrm state 0x${hexKey(20)}`,
  `xfrm state delete dst 192.0.2.2 proto esp spi 0x${hexKey(20)}`,
];

/** A configuration file, and damaged ones that SIGHUP is to read. */
function config(netns: string, state: string): string {
  return `[[state]]
netns = "${netns}"
src = "192.0.2.1"
dst = "192.0.2.2"
proto = "esp"
spi = 0x77
mode = "tunnel"
${state}
`;
}
const GOOD_STATE = `aead = { name = "rfc4106(gcm(aes))", key = "0x${hexKey(20)}", icv_bits = 128 }`;
const BAD_STATES: readonly string[] = [
  `${GOOD_STATE} 0x${hexKey(20)}`,
  `aead = { name = "rfc4106(gcm(aes))", key = 0x${hexKey(20)}, icv_bits = 128 }`,
  `aead = { name = "rfc4106(gcm(aes))", key = "0x${hexKey(20)}, icv_bits = 128 }`,
  `aead = { name = "rfc4106(gcm(aes))", key = "0x${hexKey(21)}", icv_bits = 128 }`,
  `aead = { name = "0x${hexKey(20)}", key = "0x${hexKey(20)}", icv_bits = 128 }`,
  `aead = "0x${hexKey(20)}"`,
  `aead = { name = "rfc4106(gcm(aes))", key_file = "junk.key", icv_bits = 128 }`,
  `aead = { name = "rfc4106(gcm(aes))", key_file = "0x${hexKey(20)}", icv_bits = 128 }`,
  `"0x${hexKey(20)}" = 1`,
  `${GOOD_STATE}\nreqid = "0x${hexKey(20)}"`,
  `enc = { name = "cbc(aes)", key = "${asciiKey(16)}" }\nauth = { name = "0x${hexKey(20)}", key = "${
    asciiKey(32)
  }" }`,
];

Deno.test("no secret shows in logs, answers, events, metrics, files, arguments or variables", async (t) => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  const dir = await topology.directory();
  const file = `${dir}/gateway.toml`;
  await Deno.writeTextFile(
    file,
    config(netns, `aead = { name = "rfc4106(gcm(aes))", key_file = "good.key", icv_bits = 128 }`),
    {
      mode: 0o600,
    },
  );
  await Deno.writeTextFile(`${dir}/good.key`, `0x${hexKey(20)}\n`, { mode: 0o600 });
  await Deno.writeTextFile(`${dir}/junk.key`, `not hex ${hexKey(20)}\n`, { mode: 0o600 });
  await Deno.writeTextFile(`${dir}/state.key`, hexKey(32), { mode: 0o600 });
  const daemon = await Daemon.start(topology, {
    placement: "isolated",
    args: ["--config", file],
    env: { VTI_GATEWAY_STATE_KEY_FILE: `${dir}/state.key` },
  });
  const ns = `/v1/netns/${netns}`;
  const token = (await Deno.readTextFile(`${daemon.runDir}/token`)).trim();
  const seen = new Map<string, string>();
  const see = (what: string, text: string) => void seen.set(`${seen.size} ${what}`, text);
  const shown = (text: string) => MARKS.test(text) || text.includes(token);

  await t.step("keys go in by requests", async () => {
    const events = await fetchEvents(daemon);
    let added = 0;
    for (const body of [...REQUESTS, `${JSON.stringify(REQUESTS[0])}${hexKey(20)}`]) {
      for (const method of ["POST", "PUT"]) {
        const answer = await daemon.http(method, `${ns}/xfrm/states`, body);
        if (answer.status === 201) added++;
        see(`${method} ${JSON.stringify(body)}`, JSON.stringify(answer));
      }
    }
    assert.equal(added, 3, "the good requests were not taken");
    for (const path of [`/v1/netns/0x${hexKey(20)}/links`, `${ns}/links/0x${hexKey(20)}`]) {
      const { status } = await daemon.http("GET", path);
      assert.equal(status, 404, path);
    }
    see(
      "DELETE",
      JSON.stringify(await daemon.http("DELETE", `${ns}/xfrm/states?dst=192.0.2.2&proto=esp&spi=3&mark=7`)),
    );
    see("events", await events());
  });

  await t.step("keys go in by the client", async () => {
    for (const words of WORDS) {
      const { code, stdout, stderr } = await daemon.tryIp(netns, words);
      assert.notEqual(code, 0, words);
      see(`ip ${words}`, stdout + stderr);
    }
    const hidden = await daemon.ip(netns, "xfrm state list nokeys");
    assert.match(hidden, /<<Keys hidden>>/);
    see("ip xfrm state list nokeys", hidden);
    see("ip -d -s xfrm policy", await daemon.ip(netns, "-d -s xfrm policy"));
  });

  await t.step("keys go in by the configuration file", async () => {
    for (const [i, bad] of BAD_STATES.entries()) {
      await Deno.writeTextFile(file, config(netns, bad), { mode: 0o600 });
      const before = daemon.process.output.length;
      Deno.kill(daemon.process.pid, "SIGHUP");
      const place = new RegExp(`^.{${before}}.*gateway\\.toml`, "s");
      await daemon.process.printed(place).catch(() => assert.fail(`no complaint of ${i}: ${bad}`));
    }
    await Deno.writeTextFile(file, config(netns, GOOD_STATE), { mode: 0o600 });
    Deno.kill(daemon.process.pid, "SIGHUP");
  });

  await t.step("nothing of them comes out again", async () => {
    for (
      const path of [
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/v1/netns",
        `${ns}/xfrm/states`,
        `${ns}/links`,
      ]
        .concat(
          `${ns}/xfrm/policies`,
          `${ns}/xfrm/stat`,
          `${ns}/xfrm/states/get?dst=192.0.2.2&proto=esp&spi=1&mark=7`,
        )
    ) {
      const answer = await daemon.http("GET", path);
      assert.equal(answer.status, 200, path);
      see(`GET ${path}`, JSON.stringify(answer.body));
    }
    see("what the daemon printed", daemon.process.output);
    for (const name of ["cmdline", "environ"]) {
      see(name, await Deno.readTextFile(`/proc/${daemon.process.pid}/${name}`));
    }
    for (const path of await filesBelow(daemon.runDir)) {
      if (!path.endsWith("/token")) see(path, new TextDecoder("latin1").decode(await Deno.readFile(path)));
    }
    const leaks = [...seen].flatMap(([what, text]) =>
      text.split("\n").filter(shown).map((line) => `${what.slice(0, 200)}: ${line.slice(0, 400)}`)
    );
    assert.deepEqual(leaks, []);
  });

  await t.step("the search would have found them", async () => {
    const answer = await daemon.http("GET", `${ns}/xfrm/states?keys=true`);
    assert.ok(shown(JSON.stringify(answer.body)));
    assert.ok(shown(await daemon.ip(netns, "xfrm state list")), "ip shows keys to root, as iproute2 does");
    assert.ok(shown(token));
    assert.ok(shown(String.fromCharCode(...Uint8Array.fromHex(hexKey(20)))));
    assert.match(daemon.process.output, /"path":"\/v1\/netns\/\{ns\}\/xfrm\/states"/);
    const stored = [...seen.keys()].filter((name) => name.includes("/state/"));
    assert.ok(stored.length > 0, "no file of the state directory was searched");
  });
});

/** Listens to events; the function that is returned hangs up and has their text. */
async function fetchEvents(daemon: Daemon): Promise<() => Promise<string>> {
  const connection = await Deno.connect({ transport: "unix", path: `${daemon.runDir}/api.sock` });
  await connection.write(
    new TextEncoder().encode("GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\n\r\n"),
  );
  let text = "";
  const reading = (async () => {
    for await (const part of connection.readable.pipeThrough(new TextDecoderStream())) text += part;
  })().catch(() => {});
  return async () => {
    while (!text.includes("delsa")) await new Promise((resolve) => setTimeout(resolve, 20));
    connection.close();
    await reading;
    assert.match(text, /newsa/);
    return text;
  };
}

async function filesBelow(dir: string): Promise<string[]> {
  const { stdout } = await run(["find", dir, "-type", "f"]);
  return stdout.trim().split("\n");
}
