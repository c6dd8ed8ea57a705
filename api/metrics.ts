/**
 * Counters for Prometheus, in its text format 0.0.4: per tunnel, per cause of a drop, per SA, /proc/net/xfrm_stat,
 * workers.
 */
import type { Gateway, LinkInfo, XfrmStateInfo } from "../actors/gateway.ts";
import type { Operation } from "./operation.ts";
import { noQuery } from "./query_schemas.ts";

type Labels = Readonly<Record<string, string | number>>;

interface Family {
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly lines: string[];
}

export const metricsOperation: Operation = {
  method: "get",
  path: "/metrics",
  summary: "Counters for Prometheus",
  query: noQuery,
  answers: { 200: null },
  contentType: "text/plain",
  respond: async (gateway) =>
    new Response(await metricsText(gateway), { headers: { "content-type": "text/plain; version=0.0.4" } }),
};

/** A namespace that goes while its counters are read is left out. */
export async function metricsText(gateway: Gateway): Promise<string> {
  const metrics = new Metrics();
  addHealth(metrics, gateway);
  for (const { name: netns, links, states, policies } of await gateway.listNetns()) {
    metrics.gauge("links", "Tunnels", { netns }, links);
    metrics.gauge("states", "SAs", { netns }, states);
    metrics.gauge("policies", "Policies", { netns }, policies);
    const infos = await gateway.listLinks(netns);
    if (infos.ok) { for (const info of infos.value) addLink(metrics, netns, info); }
    const sas = await gateway.listStates(netns, {}, false);
    if (sas.ok) { for (const sa of sas.value) addState(metrics, netns, sa); }
    const stat = await gateway.xfrmStat(netns);
    if (!stat.ok) continue;
    for (const [counter, n] of Object.entries(stat.value)) {
      metrics.counter("xfrm_stat", "Counters of /proc/net/xfrm_stat", { netns, counter }, n);
    }
  }
  return metrics.text();
}

function addHealth(metrics: Metrics, gateway: Gateway): void {
  const { ready, placement, crypto, workers, uptime_seconds } = gateway.health();
  metrics.gauge("info", "How the gateway runs", { placement, crypto }, 1);
  metrics.gauge("ready", "1 when every worker serves", {}, ready ? 1 : 0);
  metrics.gauge("uptime_seconds", "Seconds since the start", {}, uptime_seconds);
  for (const { id: worker, state, restarts, actors } of workers) {
    metrics.gauge("worker_state", "1 for the state that the worker is in", { worker, state }, 1);
    metrics.gauge("worker_actors", "Actors in the worker", { worker }, actors.length);
    metrics.counter("worker_restarts", "Times the worker was started anew", { worker }, restarts);
  }
}

function addLink(metrics: Metrics, netns: string, info: LinkInfo): void {
  const labels = { netns, ifname: info.ifname };
  const isUp = info.flags.includes("UP");
  metrics.gauge("link_up", "1 when the tunnel is up", labels, isUp ? 1 : 0);
  metrics.gauge("link_mtu_bytes", "MTU of the tunnel", labels, info.mtu);
  for (const direction of ["rx", "tx"] as const) {
    for (const [name, n] of Object.entries(info.stats64[direction])) {
      const help = `stats64 ${direction} ${name} of the tunnel, inner packets`;
      metrics.counter(`link_${direction}_${name}`, help, labels, n);
    }
  }
  for (const [reason, n] of Object.entries(info.drops)) {
    metrics.counter("link_drops", "Packets refused, by cause", { ...labels, reason }, n);
  }
}

function addState(metrics: Metrics, netns: string, sa: XfrmStateInfo): void {
  const mark = sa.mark === undefined ? "" : `0x${sa.mark.value.toString(16)}/0x${sa.mark.mask.toString(16)}`;
  const spi = `0x${sa.spi.toString(16).padStart(8, "0")}`;
  const labels = { netns, src: sa.src, dst: sa.dst, proto: sa.proto, spi, mark };
  metrics.counter("state_bytes", "Inner bytes that the SA carried", labels, sa.lifetime.bytes);
  metrics.counter("state_packets", "Packets that the SA carried", labels, sa.lifetime.packets);
  for (const [reason, n] of Object.entries(sa.stats)) {
    metrics.counter("state_drops", "Packets the SA refused", { ...labels, reason }, n);
  }
}

/** Families in the order of their first sample; all samples of one stand together, as the format demands. */
class Metrics {
  readonly #families = new Map<string, Family>();

  counter(name: string, help: string, labels: Labels, value: number): void {
    this.#add("counter", `vti_gateway_${name}_total`, help, labels, value);
  }

  gauge(name: string, help: string, labels: Labels, value: number): void {
    this.#add("gauge", `vti_gateway_${name}`, help, labels, value);
  }

  text(): string {
    return [...this.#families].map(([name, { type, help, lines }]) =>
      `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`
    ).join("");
  }

  #add(type: Family["type"], name: string, help: string, labels: Labels, value: number): void {
    let family = this.#families.get(name);
    if (family === undefined) this.#families.set(name, family = { type, help, lines: [] });
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(String(text))}"`);
    family.lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`);
  }
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
