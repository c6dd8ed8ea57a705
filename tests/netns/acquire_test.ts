/** A key manager's view: what it is told when an SA is missing or a NAT has moved, and what becomes of its answer. */
import assert from "node:assert/strict";
import { algorithm } from "../doubles/algorithms.ts";
import {
  GATEWAY,
  JudgedGateway,
  KEY,
  PEER,
  SPI_IN,
  SPI_OUT,
  workingConfig,
} from "../doubles/judged_gateway.ts";
import { eventually } from "../doubles/eventually.ts";
import { type Background, Topology } from "../doubles/topology.ts";

const ALGORITHM = algorithm("gcm128");
/** Starts `ip xfrm monitor` and waits until it listens: until it tells of a policy that is updated again and again. */
async function startMonitor(topology: Topology, { daemon, netns }: JudgedGateway): Promise<Background> {
  const monitor = await topology.spawn(null, [
    ...[
      Deno.execPath(),
      "run",
      "-A",
      new URL("../../mod.ts", import.meta.url).pathname,
      "--run-dir",
      daemon.runDir,
      "-n",
      netns,
      "xfrm",
      "monitor",
    ],
  ]);
  await eventually(async () => {
    await daemon.ip(netns, "xfrm policy update dir fwd");
    assert.match(monitor.output, /dir fwd/);
  });
  return monitor;
}

const PING = ["ping", "-n", "-c1", "-W1", "10.9.0.1"];

Deno.test("a packet without an SA asks the listeners for one, which takes the larval SA's place", async () => {
  await using topology = new Topology();
  await using gateway = await JudgedGateway.start(topology, { placement: "isolated" });
  const { daemon, netns, judge } = gateway;
  const config = workingConfig(ALGORITHM, false);
  await daemon.ip(netns, config.policyOut);
  const states = () => daemon.ip(netns, "xfrm state list nokeys");

  // Nobody listens: the packet is refused, and that is all.
  await topology.exec(netns, PING);
  assert.equal(await states(), "");
  assert.equal((await daemon.xfrmStat(netns)).XfrmOutNoStates, 1);

  // A template asks once a second, and has asked just now.
  const monitor = await startMonitor(topology, gateway);
  await eventually(async () => {
    await topology.exec(netns, PING);
    assert.match(monitor.output, /^acquire proto esp $/m);
  });
  await monitor.printed(
    /^ {2}sel src 10\.9\.0\.2\/32 dst 10\.9\.0\.1\/32 proto icmp type 8 code 0 dev vti1 $/m,
  );
  await monitor.printed(/^ {4}\ttmpl src 192\.0\.2\.2 dst 192\.0\.2\.1$/m);
  assert.match(
    await states(),
    /^src 192\.0\.2\.2 dst 192\.0\.2\.1\n\tproto esp spi 0x00000000 reqid 0 mode tunnel\n/,
  );

  await daemon.ip(netns, config.stateOut);
  await judge.sa("out", SPI_OUT, ALGORITHM);
  assert.doesNotMatch(await states(), /spi 0x00000000/);
  await topology.exec(netns, PING);
  const outer = await judge.receive(50);
  assert.ok(outer);
  assert.equal((await judge.open("out", outer.payload)).seq, 1);
  await monitor.stop();
});

Deno.test("a packet for a reserved SPI counts as early, and one from behind a moved NAT is told", async () => {
  await using topology = new Topology();
  await using gateway = await JudgedGateway.start(topology, { placement: "packed" });
  const { daemon, netns, judge } = gateway;
  await judge.sa("in", SPI_IN, ALGORITHM);
  await daemon.ip(
    netns,
    `xfrm state allocspi src ${PEER} dst ${GATEWAY} proto esp mode tunnel mark ${KEY} min ${SPI_IN} max ${SPI_IN}`,
  );
  await gateway.send([await gateway.seal(await gateway.request())]);
  await eventually(async () => {
    const { XfrmAcquireError, rxErrors, rxDropped, "drop InAcquire": drops } = await gateway.counters();
    assert.deepEqual([XfrmAcquireError, rxErrors, rxDropped, drops], [1, 1, 1, 1]);
  });

  await gateway.configure(workingConfig(ALGORITHM, true));
  const monitor = await startMonitor(topology, gateway);
  await gateway.send([await gateway.seal(await gateway.request())], { udp: [4500, 4500] });
  await gateway.send([await gateway.seal(await gateway.request())], { udp: [5555, 4500] });
  await monitor.printed(/^Mapping change 192\.0\.2\.1:4500 -> 192\.0\.2\.1:5555$/m);
  await monitor.printed(
    new RegExp(`^\tdst ${GATEWAY}  reqid 0x0 protocol esp  SPI 0x${SPI_IN.toString(16)}$`, "m"),
  );
  await monitor.stop();
});

Deno.test("an SA in UDP that leads here is heard at its destination port, and any other leaves by its source port", async () => {
  await using topology = new Topology();
  await using gateway = await JudgedGateway.start(topology, { placement: "isolated" });
  const { netns, judge } = gateway;
  const config = workingConfig(ALGORITHM, false);
  const inUdp = (words: string, sport: number, dport: number) =>
    `${words} encap espinudp ${sport} ${dport} 0.0.0.0`;
  await gateway.configure({
    ...config,
    stateIn: inUdp(config.stateIn, 5555, 4501),
    stateOut: inUdp(config.stateOut, 4501, 5555),
  });
  await judge.sa("in", SPI_IN, ALGORITHM);
  await judge.sa("out", SPI_OUT, ALGORITHM);
  await gateway.send([await gateway.seal(await gateway.request())], { udp: [5555, 4501] });
  const answer = await judge.receive(17);
  assert.deepEqual(answer?.udp, [4501, 5555]);
  const { data } = await judge.open("out", answer.payload);
  assert.ok((await judge.read(data)).reply);
  await assert.rejects(gateway.daemon.ip(netns, inUdp(config.stateIn, 6666, 6666)), /File exists/);
  const sockets = await topology.must(netns, ["ss", "-Hlun"]);
  assert.match(sockets, /:4501\b/);
  assert.doesNotMatch(sockets, /:6666\b/, "of a request that was refused");
  assert.doesNotMatch(sockets, /:5555\b/);
});
