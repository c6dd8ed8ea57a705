/** scapy as the peer by AH: the gateway opens what scapy signs, scapy opens what the gateway signs. */
import assert from "node:assert/strict";
import { GATEWAY, JudgedGateway, KEY, PEER, SPI_IN, SPI_OUT } from "../doubles/judged_gateway.ts";
import { Topology } from "../doubles/topology.ts";

const AH = 51;
const keyHex = (bytes: number): string =>
  Array.from({ length: bytes }, (_, i) => (0xa0 + i & 0xff).toString(16).padStart(2, "0")).join("");

/**
 * scapy pads the header to 4, as RFC 4302 has it for IPv4; Linux does so with align4 only. With an ICV of 12 bytes both
 * come to the same.
 */
// deno-fmt-ignore
const MACS: readonly (readonly [kernel: string, bits: number, keyBytes: number, scapy: string])[] = [
  ["hmac(md5)",     96, 16, "HMAC-MD5-96"],
  ["hmac(sha1)",    96, 20, "HMAC-SHA1-96"],
  ["hmac(sha256)", 128, 32, "SHA2-256-128"],
  ["hmac(sha384)", 192, 48, "SHA2-384-192"],
  ["hmac(sha512)", 256, 64, "SHA2-512-256"],
  ["cmac(aes)",     96, 16, "AES-CMAC-96"],
];
const FAMILIES = [
  { any: "0.0.0.0/0", src: "10.9.0.1", dst: "10.9.0.2" },
  { any: "::/0", src: "2001:db8:9::1", dst: "2001:db8:9::2" },
] as const;
const LENGTHS = [0, 1, 2, 3, 56, 1300];

Deno.test("scapy and the gateway understand each other's AH", async (t) => {
  await using topology = new Topology();
  await using gateway = await JudgedGateway.start(topology, { placement: "packed" });
  const { judge, daemon, netns } = gateway;
  const ip = (words: string) => daemon.ip(netns, words);
  for (const [name, bits, keyBytes, scapy] of MACS) {
    const flags = bits === 96 ? ["af-unspec", "af-unspec align4"] : ["af-unspec align4"];
    for (const flag of flags) {
      await t.step(`${name} ${bits}, ${flag}`, async () => {
        const key = keyHex(keyBytes);
        await ip("xfrm state flush");
        await ip("xfrm policy flush");
        for (
          const [dir, src, dst, spi] of [["in", PEER, GATEWAY, SPI_IN], [
            "out",
            GATEWAY,
            PEER,
            SPI_OUT,
          ]] as const
        ) {
          await judge.ah(dir, spi, src, dst, scapy, key);
          await ip(
            `xfrm state add src ${src} dst ${dst} proto ah spi ${spi} mode tunnel mark ${KEY} ` +
              `replay-window 32 flag ${flag} auth-trunc ${name} 0x${key} ${bits}`,
          );
          for (const { any } of FAMILIES) {
            const template = `tmpl src ${src} dst ${dst} proto ah mode tunnel`;
            await ip(`xfrm policy add src ${any} dst ${any} dir ${dir} mark ${KEY} ${template}`);
          }
        }
        let seq = 0;
        for (const { src, dst } of FAMILIES) {
          for (const length of LENGTHS) {
            const request = await judge.echo(src, dst, 7, ++seq, length);
            const signed = await judge.sign("in", request, seq);
            await judge.sendPacket(signed);
            const outer = await judge.receive(AH);
            assert.ok(outer, `no answer to ${length} bytes from ${src}`);
            assert.deepEqual([outer.src, outer.dst, outer.ttl], [GATEWAY, PEER, 64]);
            const opened = await judge.verify("out", outer.packet);
            assert.equal(opened.seq, seq);
            const inner = await judge.read(opened.data);
            assert.deepEqual(inner.reply, { id: 7, seq, data: request.slice(request.length - 2 * length) });
          }
        }
        const before = await gateway.counters();
        const request = await judge.echo("10.9.0.1", "10.9.0.2", 7, ++seq, 56);
        const signed = await judge.sign("in", request, seq);
        await judge.sendPacket(signed.slice(0, -2) + (signed.endsWith("00") ? "01" : "00"));
        await judge.sendPacket(signed);
        assert.ok(await judge.receive(AH), "the packet behind a forged one got no answer");
        const after = await gateway.counters();
        assert.equal(after.XfrmInStateProtoError! - before.XfrmInStateProtoError!, 1);
        assert.deepEqual([after.rxErrors! - before.rxErrors!, after.rxDropped! - before.rxDropped!], [1, 1]);
      });
    }
  }
});
