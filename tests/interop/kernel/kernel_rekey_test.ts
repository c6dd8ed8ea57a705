/**
 * SAs of the gateway and of Linux take over from each other under traffic, as the two would have it without a word to
 * each other: the newest one, not one that is near its end; and with ESN go past 2^32.
 */
import assert from "node:assert/strict";
import { algorithm } from "../../doubles/algorithms.ts";
import { eventually } from "../../doubles/eventually.ts";
import { Topology } from "../../doubles/topology.ts";
import { encapWords } from "../../doubles/tunnel.ts";
import { countersAgree, type End, statesAgree } from "./peers.ts";
import { GATEWAY, GUEST, replaceStates, startVtiPair, stateWords, type VtiPair } from "./vti_pair.ts";

const GCM = algorithm("gcm128").words;
/** One after the other, each with new SPIs. */
const REKEYS = [
  `replay-window 128 flag esn ${algorithm("cbc256-sha512").words}`,
  `replay-window 32 ${encapWords(true)} ${algorithm("chacha20poly1305").words}`,
  `replay-window 64 flag esn ${encapWords(true)} ${algorithm("gcm256").words}`,
  `replay-window 32 ${algorithm("ccm128").words}`,
  `replay-window 32 ${GCM}`,
];
/** Seconds between packets. */
const INTERVAL = "0.02";
const SHA256 = `auth-trunc hmac(sha256) 0x${"a5".repeat(32)} 128`;
/** Protocol, window and algorithm. */
const ESN_CHOICES = [
  ["esp", 32, GCM],
  ["esp", 100, algorithm("cbc128-sha256").words],
  ["esp", 128, algorithm("chacha20poly1305").words],
  ["esp", 4096, `${algorithm("null-sha256").words} ${encapWords(true)}`],
  ["ah", 64, SHA256],
] as const;
const ESN_PINGS = 30;

Deno.test("SAs of the gateway and of Linux take over from each other", async (t) => {
  await using topology = new Topology();
  using pair = await startVtiPair(topology);
  const { here, there } = pair;

  await t.step("rekeyed under traffic, nothing is lost", async () => {
    await replaceStates(pair, "esp", `replay-window 32 ${GCM}`);
    const flow = await topology.spawn(pair.netns, ["ping", "-n", "-i", INTERVAL, there.v4]);
    await there.run(["sh", "-c", `ping -n -i ${INTERVAL} ${here.v4} >/ping 2>&1 & echo $! >/pid`]);
    await flow.printed(/icmp_seq=5 /);
    let old = await spis(here);
    for (const [k, words] of REKEYS.entries()) {
      old = await rekey(pair, old, 0x1101 + k, 0x2102 + k, words);
    }
    await flow.stop("SIGINT");
    await there.run(["sh", "-c", "kill -INT $(cat /pid)"]);
    const said = await eventually(async () => {
      const { stdout } = await there.run(["cat", "/ping"]);
      assert.match(stdout, /packets transmitted/);
      return stdout;
    });
    for (const output of [flow.output, said]) {
      const answered = [...output.matchAll(/ icmp_seq=(\d+) ttl/g)].map(([, seq]) => Number(seq));
      assert.equal(new Set(answered).size, Math.max(...answered), output);
    }
    await countersAgree(here, there);
  });

  await t.step("an SPI that was reserved gets its keys by update", async () => {
    await replaceStates(pair, "esp", `replay-window 32 ${GCM}`);
    const reserve = (src: string, dst: string, spi: number) =>
      `xfrm state allocspi src ${src} dst ${dst} proto esp mode tunnel mark 7 min ${spi} max ${spi}`;
    await here.ip(reserve(GUEST, GATEWAY, 0x1102));
    await there.ip(reserve(GATEWAY, GUEST, 0x2103));
    const [into, out] = [
      stateWords(GUEST, GATEWAY, 0x1102, "esp", `replay-window 32 ${GCM}`),
      stateWords(GATEWAY, GUEST, 0x2103, "esp", `replay-window 32 ${GCM}`),
    ];
    await there.ip(out.replace("add", "update"), into);
    await here.ip(into.replace("add", "update"), out);
    await pings(here, there.v4, 5);
    await statesAgree(here, there);
    assert.deepEqual(await carried(here, [0x2103, 0x1102]), [5, 5]);
    assert.equal((await packets(here)).size, 4);
  });

  await t.step("of several the newest sends, those of one second too", async () => {
    await replaceStates(pair, "esp", `replay-window 32 ${GCM}`);
    // Eight states would have Linux put them into a larger table, each chain the other way round.
    const pairs = [1, 2].flatMap((k) => [
      stateWords(GUEST, GATEWAY, 0x1101 + k, "esp", GCM),
      stateWords(GATEWAY, GUEST, 0x2102 + k, "esp", GCM),
    ]);
    for (const end of [here, there]) await end.ip(...pairs);
    await pings(here, there.v4, 5);
    await statesAgree(here, there);
    assert.deepEqual(await carried(here, [0x2104, 0x1103]), [5, 5]);
  });

  for (const [limit, counts] of [["packet-soft 3", [4, 4]], ["byte-soft 200", [4, 4]]] as const) {
    await t.step(`an SA at its limit, ${limit}, gives way to an older one`, async () => {
      await replaceStates(pair, "esp", `replay-window 32 ${GCM}`);
      for (const end of [here, there]) {
        await end.ip(
          stateWords(GUEST, GATEWAY, 0x1102, "esp", `limit ${limit} ${GCM}`),
          stateWords(GATEWAY, GUEST, 0x2103, "esp", `limit ${limit} ${GCM}`),
        );
      }
      await pings(here, there.v4, 8);
      await statesAgree(here, there);
      assert.deepEqual(await carried(here, [0x2103, 0x1102]), counts);
    });
  }

  await t.step("an SA that has come to its end gives way to an older one", async () => {
    await replaceStates(pair, "esp", `replay-window 32 ${GCM}`);
    for (const end of [here, there]) {
      await end.ip(
        stateWords(GUEST, GATEWAY, 0x1102, "esp", `limit packet-hard 3 ${GCM}`),
        stateWords(GATEWAY, GUEST, 0x2103, "esp", `limit packet-hard 3 ${GCM}`),
      );
    }
    await here.run(["ping", "-n", "-c8", `-i${INTERVAL}`, "-W1", there.v4]);
    // The fourth request and the fourth answer end an SA each at their sender, and are lost.
    await eventually(async () => assert.equal((await packets(there)).get(0x2002), 4));
    const both = [[0x1001, 3], [0x2002, 4]];
    assert.deepEqual([...await packets(here)].sort(), [...both, [0x1102, 3]].sort());
    assert.deepEqual([...await packets(there)].sort(), [...both, [0x2103, 3]].sort());
  });

  for (const [proto, window, words] of ESN_CHOICES) {
    const [, name] = words.split(" ");
    await t.step(`ESN past 2^32: ${proto}, window of ${window}, ${name}`, async () => {
      const first = 0xfffffff0;
      await replaceStates(
        pair,
        proto,
        `replay-window ${window} flag esn replay-seq ${first} replay-oseq ${first} ${words}`,
      );
      await pings(here, there.v4, ESN_PINGS);
      await pings(there, here.v6, ESN_PINGS);
      await countersAgree(here, there);
      const last = (first + 2 * ESN_PINGS) % 2 ** 32;
      for (const end of [here, there]) {
        // One state sends from here, the other receives.
        const contexts = (await end.ip("xfrm state")).match(/seq-hi.*/g)!;
        assert.deepEqual(contexts.sort(), [
          `seq-hi 0x0, seq 0x${first.toString(16)}, oseq-hi 0x1, oseq 0x${last.toString(16)}`,
          `seq-hi 0x1, seq 0x${last.toString(16)}, oseq-hi 0x0, oseq 0x${first.toString(16)}`,
        ]);
      }
    });
  }
});

async function pings(from: End, to: string, count: number): Promise<void> {
  const { code, stdout, stderr } = await from.run(["ping", "-n", `-c${count}`, `-i${INTERVAL}`, "-W3", to]);
  assert.equal(code, 0, `${from.name} to ${to}: ${stdout}${stderr}`);
}

/** Packets of each SA of an end by SPI. */
async function packets(end: End): Promise<Map<number, number>> {
  const listing = await end.ip("-s xfrm state");
  const found = listing.matchAll(
    / spi (0x[0-9a-f]+)[^]*?lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)/g,
  );
  return new Map([...found].map(([, spi, count]) => [Number(spi), Number(count)]));
}

const carried = async (end: End, of: readonly number[]) => {
  const counts = await packets(end);
  return of.map((spi) => counts.get(spi));
};

const spis = async (end: End): Promise<number[]> => [...(await packets(end)).keys()].sort();

/**
 * Two new SAs in place of `old`, in the order of an IKE exchange: each end can receive before the other sends. Returns
 * their SPIs once the new ones carry everything.
 */
async function rekey(
  { here, there }: VtiPair,
  old: readonly number[],
  spiIn: number,
  spiOut: number,
  words: string,
): Promise<number[]> {
  const [into, out] = [
    stateWords(GUEST, GATEWAY, spiIn, "esp", words),
    stateWords(GATEWAY, GUEST, spiOut, "esp", words),
  ];
  await there.ip(out);
  await here.ip(into);
  await here.ip(out);
  await there.ip(into);
  for (const end of [here, there]) {
    let before = await packets(end);
    await eventually(async () => {
      const now = await packets(end);
      const grown = (spi: number) => now.get(spi)! - before.get(spi)!;
      const newAlone = grown(spiIn) > 0 && grown(spiOut) > 0 && old.every((spi) => grown(spi) === 0);
      before = now;
      assert.ok(newAlone, `${end.name} still uses an old SA`);
    });
  }
  for (const spi of old) {
    const ends = spi < 0x2000 ? `src ${GUEST} dst ${GATEWAY}` : `src ${GATEWAY} dst ${GUEST}`;
    for (const end of [here, there]) await end.ip(`xfrm state delete ${ends} proto esp spi ${spi} mark 7`);
  }
  return [spiIn, spiOut];
}
