/** One run of the sender of bench/udp/ in namespace a and its receiver in b. */
import type { Bench, Path } from "../peers/contender.ts";
import type { ReceiveReport } from "../udp/receive.ts";
import type { SendReport } from "../udp/send.ts";

const PORT = 9000;
const script = (name: string) => [
  Deno.execPath(),
  "run",
  "-A",
  new URL(`../udp/${name}.ts`, import.meta.url).pathname,
];

/** Sends datagrams of these payloads, in bytes and in turn, for some seconds; `rate` in packets a second. */
export async function sendDatagrams(
  { topology, netns }: Bench,
  { server }: Path,
  payloads: readonly number[],
  seconds: number,
  rate = Infinity,
): Promise<{ sent: SendReport; received: ReceiveReport }> {
  const receiver = await topology.spawn(netns.b, [...script("receive"), `${PORT}`]);
  await receiver.printed(/ready/);
  const words = ["--payload", payloads.join(","), "--seconds", `${seconds}`, "--rate", `${rate}`];
  const sent = await topology.must(netns.a, [...script("send"), server, `${PORT}`, ...words]);
  const [received] = await receiver.printed(/\{.*\}/, 20_000);
  return { sent: JSON.parse(sent), received: JSON.parse(received) };
}
