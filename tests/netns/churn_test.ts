/** Links and namespaces are made and removed again and again under traffic: nothing of them is left in the daemon. */
import assert from "node:assert/strict";
import { Daemon } from "../doubles/daemon.ts";
import { eventually } from "../doubles/eventually.ts";
import { Topology } from "../doubles/topology.ts";
import { joinedPair, type TunnelEnd } from "../doubles/tunnel.ts";
import { CountedFlow } from "../soak/counted_flow.ts";
import { type Figures, readFigures } from "../soak/process_figures.ts";
import { makeTunnel } from "../soak/rekeyed_tunnel.ts";

/** Links; the environment may ask for more. */
const LINKS = Number(Deno.env.get("VTI_CHURN_LINKS") ?? 120);
/** Links that are made and removed for each namespace that is. */
const LINKS_EACH = 10;
/** Links that are made and removed beside each other. */
const LANES = 8;
/** Datagrams a second, in each direction. */
const RATE = 2000;
/** What resident memory may gain, MiB: most of it with the first links (see SECURITY.md, Long runs). */
const GROWTH = 320;
const TUNNEL = { ifname: "vti1", key: 1, inner: "10.9.1" };
const LINK = { info_kind: "vti", info_data: { local: "192.0.2.1", remote: "192.0.2.99", ikey: 9 } };

for (const placement of ["packed", "isolated"] as const) {
  Deno.test(`${LINKS} links and ${LINKS / LINKS_EACH} namespaces come and go and leave nothing, ${placement}`, async () => {
    await using topology = new Topology();
    const { a, b } = await joinedPair(topology, async () => ({
      a: await Daemon.start(topology, { placement }),
      b: await Daemon.start(topology, { placement }),
    }));
    await makeTunnel(topology, TUNNEL, a, b);
    const flows = [
      await CountedFlow.start(topology, a, b, `${TUNNEL.inner}.2`, RATE),
      await CountedFlow.start(topology, b, a, `${TUNNEL.inner}.1`, RATE),
    ];
    // Every worker has started, and each has had an actor.
    await links(a, LANES);
    await namespace(topology, a, 0);
    const samples: Figures[] = [];
    for (let n = 1; n <= LINKS / LINKS_EACH; n++) {
      await links(a, LINKS_EACH);
      await namespace(topology, a, n);
      samples.push(await readFigures(a.daemon));
    }
    for (const flow of flows) assert.ok(await flow.stopSending() > 0);

    assertNothingLeft(samples);
    const { body } = await a.daemon.http("GET", "/v1/netns");
    assert.deepEqual(
      (body as { links: number }[]).map(({ links }) => links).filter((links) => links > 2),
      [],
    );
    const [first, last] = [samples[0]!, samples.at(-1)!];
    console.log(
      `memory ${first.rss.toFixed(0)} to ${last.rss.toFixed(0)} MiB, ${last.descriptors} descriptors, ` +
        `${last.threads} threads`,
    );
  });
}

Deno.test("a name is free for whoever asks behind the one that removes its link", async () => {
  await using topology = new Topology();
  const netns = await topology.addNetns("a");
  const daemon = await Daemon.start(topology, { placement: "packed" });
  const add = () => daemon.http("POST", `/v1/netns/${netns}/links`, { ifname: "vti9", linkinfo: LINK });
  assert.equal((await add()).status, 201);
  for (let n = 0; n < 5; n++) {
    const removing = daemon.http("DELETE", `/v1/netns/${netns}/links/vti9`);
    // The daemon has the request when the link is no longer listed.
    await eventually(async () =>
      assert.equal((await daemon.http("GET", `/v1/netns/${netns}/links/vti9`)).status, 404)
    );
    assert.equal((await add()).status, 201);
    assert.equal((await removing).status, 204);
  }
});

/** Of what a request has while it is answered the least counts; the threads that close devices linger for a while. */
function assertNothingLeft(samples: readonly Figures[]): void {
  const third = Math.floor(samples.length / 3);
  const [first, last] = [samples.slice(0, third), samples.slice(-third)];
  const least = (list: readonly Figures[], name: keyof Figures) => Math.min(...list.map((f) => f[name]));
  for (
    const [name, more] of [["descriptors", 0], ["workers", 0], ["threads", LANES], ["rss", GROWTH]] as const
  ) {
    const [was, is] = [least(first, name), least(last, name)];
    assert.ok(is <= was + more, `${name} grew from ${was} to ${is}`);
  }
  assert.equal(samples.at(-1)!.restarts, 0, "a worker was replaced");
}

/** Makes links and removes them, several beside each other. */
async function links({ daemon, netns }: TunnelEnd, count: number): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: LANES }, async (_, lane) => {
    const ifname = `lane${lane}`;
    while (left-- > 0) {
      const info_data = { ...LINK.info_data, remote: `192.0.2.${101 + lane}` };
      const made = await daemon.http("POST", `/v1/netns/${netns}/links`, {
        ifname,
        up: true,
        linkinfo: { ...LINK, info_data },
      });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      assert.equal((await daemon.http("DELETE", `/v1/netns/${netns}/links/${ifname}`)).status, 204);
    }
  }));
}

/** Makes a namespace, has it served with a link in it, and removes it. */
async function namespace(topology: Topology, { daemon }: TunnelEnd, n: number): Promise<void> {
  const name = await topology.addNetns(`n${n}`);
  const made = await daemon.http("POST", `/v1/netns/${name}/links`, { ifname: "vti5", linkinfo: LINK });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal((await daemon.http("DELETE", `/v1/netns/${name}`)).status, 204);
}
