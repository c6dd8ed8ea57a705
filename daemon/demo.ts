/** `demo`: a tunnel between two namespaces of this host, traffic through it, what it measured; all removed at the end. */
import { startGateway, type UserSpaceGateway } from "../actors/start_gateway.ts";
import { probeHost } from "../ffi/capabilities.ts";
import { PacketCounter, type PacketCounts } from "../ffi/packet_counter.ts";
import { withNetns } from "../ffi/netns.ts";
import { BEHIND_B, CIPHER, ifindex, INNER_B6, makeStage, makeTunnels, must } from "./demo_network.ts";
import { type Side, type Stage, VTI, WIRE } from "./demo_network.ts";
import { type Echoes, ping, transfer } from "./demo_traffic.ts";
import { bold, dim, green, red } from "./terminal.ts";

const TRANSFER_SECONDS = 3;
const EXIT_CODE = { SIGINT: 130, SIGTERM: 143 } as const;

type EndSignal = keyof typeof EXIT_CODE;

/** Returns the exit code: 0, 1 when this host can't or something failed, 130 and 143 for SIGINT and SIGTERM. */
export async function demo(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    console.error(`Cannot run the demo: it takes no words, "${args[0]}" was given`);
    return 1;
  }
  const lacking = probeHost().filter(({ name, ok, required }) =>
    !ok && (required || name === "network namespaces")
  );
  if (lacking.length > 0) {
    console.error("The demo can't run on this host:");
    for (const { name, detail, remedy } of lacking) {
      console.error(`  ${name}: ${detail}${remedy === "" ? "" : `; ${remedy}`}`);
    }
    return 1;
  }
  const abort = new AbortController();
  const listeners = (Object.keys(EXIT_CODE) as EndSignal[]).map((name) => {
    const listener = () => abort.abort(name);
    Deno.addSignalListener(name, listener);
    return [name, listener] as const;
  });
  try {
    await play(abort);
    console.log(green(`All removed again after ${(performance.now() / 1000).toFixed(1)} s.`));
    return 0;
  } catch (error) {
    if (abort.signal.aborted && isEndSignal(abort.signal.reason)) {
      console.error(`${abort.signal.reason}: all removed.`);
      return EXIT_CODE[abort.signal.reason];
    }
    console.error(red(error instanceof Error ? error.message : String(error)));
    return 1;
  } finally {
    for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
  }
}

async function play(abort: AbortController): Promise<void> {
  const { signal } = abort;
  await using stack = new AsyncDisposableStack();
  const stage = stack.use(makeStage());
  say(`two network namespaces, ${stage.names.join(" and ")}, joined by a veth pair`);

  const gateway = startGateway({
    placement: "auto",
    crypto: "auto",
    log: (line) => console.error(dim(line)),
    fatal: (reason) => abort.abort(new Error(reason)),
  });
  stack.defer(() => gateway.close());
  await makeTunnels(gateway, stage);
  const { placement, crypto, workers } = gateway.health();
  say(`a VTI in each, ${CIPHER} by ${crypto}, ${count(workers.length, "worker")}, placement ${placement}`);
  await showPings(stage, signal);
  await showTransfer(stage, signal);
  for (const side of [stage.a, stage.b]) await showCounters(gateway, side);
}

async function showPings(stage: Stage, signal: AbortSignal): Promise<void> {
  const { a } = stage;
  const tap = withNetns(a.fd, () => new PacketCounter(ifindex(a, WIRE)));
  try {
    const echoes = [];
    for (const address of [BEHIND_B.address, INNER_B6]) {
      const echo = await ping(a, address, signal);
      showEchoes(address, echo);
      echoes.push(echo);
    }
    showWire(tap.counts());
    if (echoes.some(({ sent, times }) => times.length < sent)) {
      throw new Error("Ping through the tunnel: not every echo came back");
    }
  } finally {
    tap.close();
  }
}

function showEchoes(address: string, { sent, times }: Echoes): void {
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const rtt = [Math.min(...times), mean, Math.max(...times)].map((time) => time.toFixed(2)).join("/");
  const answered = `${times.length} of ${sent} echoes answered`;
  say(
    `ping ${address}: ${answered}${
      times.length === 0 ? "" : `, ${bold(`${rtt} ms`)} round trip min/avg/max`
    }`,
  );
}

function showWire({ esp, otherIp }: PacketCounts): void {
  const all = otherIp === 0 ? "all ESP" : `${esp} ESP`;
  say(`on the wire meanwhile: ${bold(`${esp + otherIp} packets, ${all}, ${otherIp} in clear`)}`);
  if (otherIp > 0 || esp === 0) throw new Error("Watch the wire: not everything on it was ESP");
}

async function showTransfer({ a, b }: Stage, signal: AbortSignal): Promise<void> {
  console.log(dim(`  … TCP for ${TRANSFER_SECONDS} s`));
  const { bytes, seconds } = await transfer(a, b, BEHIND_B.address, TRANSFER_SECONDS, signal);
  const rate = bytes * 8 / seconds / 1e6;
  const text = rate >= 1000 ? `${(rate / 1000).toFixed(2)} Gbit/s` : `${rate.toFixed(0)} Mbit/s`;
  say(
    `TCP to ${BEHIND_B.address} by the route ${BEHIND_B.network} dev ${VTI}: ${bold(text)}` +
      `, ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s, both ends and both gateways on this host`,
  );
}

async function showCounters(gateway: UserSpaceGateway, side: Side): Promise<void> {
  const { stats64: { tx, rx }, drops } = must(await gateway.getLink(side.netns, VTI));
  const dropped = Object.entries(drops).map(([name, n]) => `${name} ${n}`).join(", ") || "none";
  say(
    `${VTI} of ${side.netns}: tx ${tx.packets} packets ${tx.bytes} bytes ${tx.errors} errors, ` +
      `rx ${rx.packets} packets ${rx.bytes} bytes ${rx.errors} errors; drops: ${dropped}`,
  );
}

function say(line: string): void {
  console.log(`${green("✓")} ${line}`);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

function isEndSignal(reason: unknown): reason is EndSignal {
  return reason === "SIGINT" || reason === "SIGTERM";
}
