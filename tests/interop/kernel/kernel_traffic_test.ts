/**
 * The gateway and Linux's own ip_vti as each other's peers, for every algorithm, raw, in UDP and with extended
 * sequence numbers: echoes of both families, packets that are too big, TCP, and both sides' counters.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { ALGORITHMS, MORE_ALGORITHMS } from "../../doubles/algorithms.ts";
import { Topology } from "../../doubles/topology.ts";
import { encapWords } from "../../doubles/tunnel.ts";
import { countersAgree, type End, ping } from "./peers.ts";
import { NONIKE_PORT, replaceStates, startVtiPair } from "./vti_pair.ts";

/** TCP port of the guest's echo server, and bytes that go there and back. */
const ECHO_PORT = 7, ECHO_BYTES = 1 << 18;

/** Algorithms that only the kernel can judge, beside those of the other judges. */
const AES = "0x101112131415161718191a1b1c1d1e1f";
const SALTED = `${AES}deadbeef`;
const MAC = (bytes: number) =>
  "0x" + Array.from({ length: bytes }, (_, i) => (0xa0 + i).toString(16)).join("");
const KERNEL_ONLY = [
  ["gmac", `aead rfc4543(gcm(aes)) ${SALTED} 128`],
  ["cbc128-sha256 by auth", `enc cbc(aes) ${AES} auth hmac(sha256) ${MAC(32)}`],
  ["cbc128-xcbc", `enc cbc(aes) ${AES} auth-trunc xcbc(aes) ${MAC(16)} 96`],
  ["camellia128-sha256", `enc cbc(camellia) ${AES} auth-trunc hmac(sha256) ${MAC(32)} 128`],
] as const;
const AH = [
  ["ah-sha1", `auth-trunc hmac(sha1) ${MAC(20)} 96`],
  ["ah-sha256", `auth-trunc hmac(sha256) ${MAC(32)} 128`],
  ["ah-sha512", `auth-trunc hmac(sha512) ${MAC(64)} 256`],
  ["ah-xcbc", `auth-trunc xcbc(aes) ${MAC(16)} 96`],
] as const;
const VARIANTS = [
  { name: "raw", words: "replay-window 128" },
  { name: "in UDP", words: `replay-window 128 ${encapWords(true)}` },
  { name: "ESN", words: "replay-window 128 flag esn" },
] as const;
/** RFC 4302 pads the ICV to 4 bytes over IPv4, Linux to 8 unless told. */
const AH_VARIANTS = [
  { name: "raw", words: "replay-window 128" },
  { name: "ESN", words: "replay-window 128 flag esn" },
  { name: "align4", words: "replay-window 128 flag align4" },
] as const;
const NONIKE = {
  name: "in UDP by the draft",
  words: `replay-window 128 encap espinudp-nonike ${NONIKE_PORT} ${NONIKE_PORT} 0.0.0.0`,
};
const ESP_CHOICES = [
  ...[...ALGORITHMS, ...MORE_ALGORITHMS].map(({ name, words }) => [name, words] as const),
  ...KERNEL_ONLY,
];
const CHOICES = [
  ...ESP_CHOICES.flatMap((choice) => VARIANTS.map((variant) => ({ proto: "esp", choice, variant }))),
  { proto: "esp", choice: ESP_CHOICES[0]!, variant: NONIKE },
  ...AH.flatMap((choice) => AH_VARIANTS.map((variant) => ({ proto: "ah", choice, variant }))),
];

Deno.test("the gateway and Linux's ip_vti are each other's peers", async (t) => {
  await using topology = new Topology();
  using pair = await startVtiPair(topology);
  const { here, there } = pair;
  await pair.guest.sh(`/echo ${ECHO_PORT} >/dev/null 2>&1 &`);
  const file = `${await topology.directory()}/bytes`;
  await Deno.writeFile(file, randomBytes(ECHO_BYTES));
  for (const { proto, choice: [name, words], variant } of CHOICES) {
    await t.step(`${name}, ${variant.name}`, async () => {
      await replaceStates(pair, proto, `${variant.words} ${words}`);
      await pings(here, there);
      const mtu = { v4: await innerMtu(here, there.v4), v6: await innerMtu(here, there.v6) };
      assert.deepEqual(mtu, { v4: await innerMtu(there, here.v4), v6: await innerMtu(there, here.v6) });
      await bigPings(here, there, mtu.v4);
      await tcp(here, there, file);
      await countersAgree(here, there);
    });
  }
});

/** Echoes of lengths that pad differently. */
async function pings(from: End, to: End): Promise<void> {
  for (const address of [to.v4, to.v6]) {
    for (const size of [0, 1, 2, 3, 1300]) {
      const { code, stdout, stderr } = await ping(from, address, size, "do");
      assert.equal(code, 0, `${from.name} to ${address}, ${size} bytes: ${stdout}${stderr}`);
    }
  }
}

/** IPv4 or IPv6 header and ICMP echo header, bytes. */
const headers = (address: string) => address.includes(":") ? 48 : 28;

/** The longest packet that gets through with DF, as the ICMP error says; checked to be the longest. */
async function innerMtu(from: End, to: string): Promise<number> {
  const tooBig = await ping(from, to, 1480 - headers(to), "do");
  const said = tooBig.stdout + tooBig.stderr;
  const mtu = said.match(/(?:mtu = |mtu=)(\d+)/)?.[1];
  assert.ok(
    mtu !== undefined && tooBig.code !== 0,
    `${from.name} to ${to}, 1480 bytes: no ICMP error: ${said}`,
  );
  const fits = await ping(from, to, Number(mtu) - headers(to), "do");
  assert.equal(fits.code, 0, `${from.name} to ${to}, ${mtu} bytes: ${fits.stdout}${fits.stderr}`);
  return Number(mtu);
}

/** Without DF: one packet whose outer packet has to be fragmented, and one that is fragmented before. */
async function bigPings(from: End, to: End, mtu: number): Promise<void> {
  for (const [address, length] of [[to.v4, mtu + 1], [to.v4, 1480], [to.v4, 4000], [to.v6, 4000]] as const) {
    const { code, stdout, stderr } = await ping(from, address, length - headers(address), "dont");
    assert.equal(code, 0, `${from.name} to ${address}, ${length} bytes: ${stdout}${stderr}`);
  }
}

/** The bytes of a file there and back, by the guest's echo server. */
async function tcp(here: End, there: End, file: string): Promise<void> {
  for (const address of [there.v4, there.v6]) {
    const script = 'busybox nc "$1" "$2" <"$3" | cmp - "$3"';
    const { code, stdout, stderr } = await here.run([
      "sh",
      "-c",
      script,
      "sh",
      address,
      `${ECHO_PORT}`,
      file,
    ]);
    assert.equal(code, 0, `${address}: ${stdout}${stderr}`);
  }
}
