/** A tunnel whose SAs are replaced again and again, as a key manager does: the new before the old go. */
import type { XfrmStateRequest } from "../../actors/gateway.ts";
import type { Topology } from "../doubles/topology.ts";
import type { TunnelEnd } from "../doubles/tunnel.ts";

const KEY_BYTES = 20;

export interface RekeyedSetup {
  readonly ifname: string;
  readonly key: number;
  /** Network of the inner addresses, the first three numbers. */
  readonly inner: string;
}

export class RekeyedTunnel {
  readonly setup: RekeyedSetup;
  readonly #a: TunnelEnd;
  readonly #b: TunnelEnd;
  /** SAs of both directions, oldest first; the last is in use. */
  readonly #generations: (readonly [XfrmStateRequest, XfrmStateRequest])[] = [];
  #rekeys = 0;

  constructor(setup: RekeyedSetup, a: TunnelEnd, b: TunnelEnd) {
    this.setup = setup;
    this.#a = a;
    this.#b = b;
  }

  /** Makes the SAs and policies, and the devices at both ends. */
  async setUp(): Promise<void> {
    for (const end of [this.#a, this.#b]) {
      const other = end === this.#a ? this.#b : this.#a;
      for (const [dir, src, dst] of [["out", end.outer, other.outer], ["in", other.outer, end.outer]]) {
        await call(end, "POST", "xfrm/policies", {
          sel: ANY,
          dir,
          mark: this.#mark,
          tmpl: [{ src, dst, proto: "esp", mode: "tunnel" }],
        });
      }
    }
    await this.rekey();
    await this.addLinks();
  }

  async addLinks(): Promise<void> {
    const { ifname, key } = this.setup;
    for (const end of [this.#a, this.#b]) {
      const other = end === this.#a ? this.#b : this.#a;
      const info_data = { local: end.outer, remote: other.outer, ikey: key, okey: key };
      await call(end, "POST", "links", { ifname, up: true, linkinfo: { info_kind: "vti", info_data } });
    }
  }

  /** Gives the devices their inner addresses. */
  async address(topology: Topology): Promise<void> {
    const { ifname, inner } = this.setup;
    for (const [{ netns }, host] of [[this.#a, 1], [this.#b, 2]] as const) {
      await topology.addresses({ netns, ifname, addresses: [`${inner}.${host}/24`] });
    }
  }

  async removeLinks(): Promise<void> {
    for (const end of [this.#a, this.#b]) await call(end, "DELETE", `links/${this.setup.ifname}`);
  }

  /**
   * One exchange of keys.
   *
   * 1. Both ends get the new SA of each direction, the receiver first.
   * 2. The senders lose the old one, so that only the new is used.
   * 3. The receivers lose what was replaced one exchange ago: what was under way has arrived long since.
   */
  async rekey(): Promise<void> {
    const fresh = this.#newStates();
    const [toB, toA] = fresh;
    await call(this.#b, "POST", STATES, toB);
    await call(this.#a, "POST", STATES, toA);
    await call(this.#a, "POST", STATES, toB);
    await call(this.#b, "POST", STATES, toA);
    const old = this.#generations.at(-1);
    this.#generations.push(fresh);
    if (old !== undefined) {
      await remove(this.#a, old[0]);
      await remove(this.#b, old[1]);
    }
    if (this.#generations.length < 3) return;
    const [oldToB, oldToA] = this.#generations.shift()!;
    await remove(this.#b, oldToB);
    await remove(this.#a, oldToA);
  }

  #newStates(): readonly [XfrmStateRequest, XfrmStateRequest] {
    const n = ++this.#rekeys;
    const state = (from: TunnelEnd, to: TunnelEnd, spi: number): XfrmStateRequest => ({
      src: from.outer,
      dst: to.outer,
      proto: "esp",
      spi,
      mark: this.#mark,
      mode: "tunnel",
      replay_window: 1024,
      flags: ["af-unspec"],
      aead: {
        name: "rfc4106(gcm(aes))",
        key: `0x${crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toHex()}`,
        icv_bits: 128,
      },
    });
    const base = (this.setup.key << 20) + n * 2;
    return [state(this.#a, this.#b, base), state(this.#b, this.#a, base + 1)];
  }

  get #mark() {
    return { value: this.setup.key, mask: 0xffffffff };
  }
}

/** Makes a tunnel. Its outer addresses are its own: two tunnels with the same would be one to the kernel. */
export async function makeTunnel(topology: Topology, setup: RekeyedSetup, a: TunnelEnd, b: TunnelEnd) {
  const outer = (host: number) => `192.0.2.${10 * setup.key + host}`;
  await topology.addresses({ netns: a.netns, ifname: "wire", addresses: [`${outer(1)}/24`] });
  await topology.addresses({ netns: b.netns, ifname: "wire", addresses: [`${outer(2)}/24`] });
  const tunnel = new RekeyedTunnel(setup, { ...a, outer: outer(1) }, { ...b, outer: outer(2) });
  await tunnel.setUp();
  await tunnel.address(topology);
  return tunnel;
}

const STATES = "xfrm/states";
const ANY = {
  src: "0.0.0.0/0",
  dst: "0.0.0.0/0",
  proto: 0,
  sport: 0,
  sport_mask: 0,
  dport: 0,
  dport_mask: 0,
};

function remove(end: TunnelEnd, { dst, proto, spi, mark }: XfrmStateRequest): Promise<void> {
  const mask = `mark=${mark!.value}&mask=${mark!.mask}`;
  return call(end, "DELETE", `${STATES}?dst=${dst}&proto=${proto}&spi=${spi}&${mask}`);
}

async function call(end: TunnelEnd, method: string, path: string, body?: unknown): Promise<void> {
  const answer = await end.daemon.http(method, `/v1/netns/${end.netns}/${path}`, body);
  if (answer.status < 300) return;
  throw new Error(`Cannot ${method} ${path}: status ${answer.status}, ${JSON.stringify(answer.body)}`);
}
