import assert from "node:assert/strict";
import { LINK, NS, SA, setUpApi } from "../tests/doubles/api_requests.ts";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import { metricsText } from "./metrics.ts";

Deno.test("metricsText() has tunnels, drops by cause, SAs, xfrm_stat and workers", async () => {
  const { gateway, ask, app } = setUpApi();
  await ask("POST", `${NS}/links`, LINK);
  await ask("POST", `${NS}/xfrm/states`, SA);
  const response = await app.request("/metrics");
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4");
  const lines = (await response.text()).split("\n");
  const sa = 'src="192.0.2.1",dst="192.0.2.2",proto="esp",spi="0x00001001",mark="0x7/0xffffffff"';
  for (
    const line of [
      "vti_gateway_ready 1",
      'vti_gateway_info{placement="packed",crypto="noble"} 1',
      'vti_gateway_worker_state{worker="1",state="serving"} 1',
      'vti_gateway_worker_restarts_total{worker="1"} 0',
      'vti_gateway_link_up{netns="self",ifname="vti1"} 0',
      'vti_gateway_link_rx_packets_total{netns="self",ifname="vti1"} 0',
      'vti_gateway_link_drops_total{netns="self",ifname="vti1",reason="OutNoPolicy"} 2',
      `vti_gateway_state_packets_total{netns="self",${sa}} 0`,
      `vti_gateway_state_drops_total{netns="self",${sa},reason="failed"} 0`,
      'vti_gateway_xfrm_stat_total{netns="self",counter="XfrmInNoStates"} 0',
    ]
  ) assert.ok(lines.includes(line), line);
  assert.doesNotMatch(lines.join("\n"), /5ec7e7/);
  assert.equal(gateway.xfrm.stateCount, 1);
});

Deno.test("metricsText() keeps to the text format", async () => {
  const gateway = new GatewayDouble();
  for (const name of ["a", 'b"\\\nc']) {
    gateway.netns.set(name, { name, inode: 1, links: 0, states: 0, policies: 0 });
  }
  const text = await metricsText(gateway);
  assert.ok(text.endsWith("\n"));
  const typed = new Set<string>();
  let family = "";
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line);
    if (type) {
      family = type[1]!;
      assert.ok(!typed.has(family), `${family} stands twice`);
      typed.add(family);
    } else if (!line.startsWith("# HELP ")) {
      const sample = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\["\\n])*",?)*\})? (\S+)$/.exec(line);
      assert.ok(sample, line);
      assert.equal(sample[1], family);
      assert.ok(Number.isFinite(Number(sample[3])));
    }
  }
  assert.ok(text.includes('netns="b\\"\\\\\\nc"'));
});

Deno.test("metricsText() leaves out a namespace that went meanwhile", async () => {
  const gateway = new GatewayDouble();
  gateway.listNetns = () => Promise.resolve([{ name: "gone", inode: 1, links: 1, states: 0, policies: 0 }]);
  assert.match(await metricsText(gateway), /vti_gateway_links\{netns="gone"\} 1/);
});
