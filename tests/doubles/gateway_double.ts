/**
 * A Gateway without workers, sockets or root: one namespace "self", links in a map, the real SAD and SPD. Its links
 * know only what the API's tests need: names that exist, names that don't.
 */
import type {
  Gateway,
  GatewayEvent,
  GatewayHealth,
  LinkInfo,
  LinkRequest,
  NetnsInfo,
  TunnelInfo,
} from "../../actors/gateway.ts";
import { fail, ok, type Result } from "../../actors/control/kernel_error.ts";
import { XfrmUser } from "../../actors/control/xfrm_user.ts";
import { PlainKeeper } from "./plain_keeper.ts";
import { XFRM_MIB, type XfrmMib } from "../../datapath/drop_reason.ts";

export class GatewayDouble implements Gateway {
  readonly links = new Map<string, LinkInfo>();
  readonly tunnels = new Map<string, TunnelInfo>();
  readonly netns = new Map<string, NetnsInfo>();
  readonly xfrm: XfrmUser;
  readonly eventLog: GatewayEvent[] = [];
  ready = true;
  #wake = Promise.withResolvers<void>();

  constructor() {
    this.netns.set("self", { name: "self", inode: 4026531840, links: 0, states: 0, policies: 0 });
    const keeper = new PlainKeeper();
    this.xfrm = new XfrmUser({
      keeper,
      send: (_, freed) => freed === undefined || keeper.release(freed),
      ifindexOf: (name) => name === "lo" ? 1 : null,
      ifnameOf: (ifindex) => ifindex === 1 ? "lo" : null,
      checkTransform: () => null,
      sysctls: { noPmtuDisc: () => false, acqExpires: () => 30 },
      now: () => 1_700_000_000,
      wallTime: (seconds) => seconds,
      event: (kind, body) => this.tell(kind, body),
      isHeard: () => false,
    });
  }

  tell(kind: GatewayEvent["kind"], body: unknown): void {
    const id = this.eventLog.length + 1;
    this.eventLog.push({ id, time: 1_700_000_000, netns: "self", kind, body });
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  listNetns = () => Promise.resolve([...this.netns.values()]);
  getNetns = (ns: string) => this.#in(ns, () => ok(this.netns.get(ns)!));
  newNetns(name: string): Promise<Result<NetnsInfo>> {
    const info = { name, inode: 4026532000 + this.netns.size, links: 0, states: 0, policies: 0 };
    if (!this.netns.has(name)) this.netns.set(name, info);
    return this.getNetns(name);
  }
  delNetns = (name: string) => this.#in(name, () => (this.netns.delete(name), ok(undefined)));

  listLinks = (ns: string) => this.#in(ns, () => ok([...this.links.values()]));
  getLink = (ns: string, ifname: string) => this.#in(ns, () => this.#link(ifname));
  newlink(ns: string, request: LinkRequest): Promise<Result<LinkInfo>> {
    return this.#in(ns, () => {
      const ifname = request.ifname ?? `vti${this.links.size}`;
      if (this.links.has(ifname)) return fail("EEXIST", `Cannot create link ${ifname}: it exists`, "ifname");
      this.links.set(ifname, linkInfo(this.links.size + 1, ifname, request.mtu ?? 1480));
      this.tell("newlink", this.links.get(ifname));
      return this.#link(ifname);
    });
  }
  changelink: Gateway["changelink"] = (ns, ifname, change) =>
    this.#in(ns, () => {
      const link = this.#link(ifname);
      if (!link.ok) return link;
      if (change.mtu !== undefined && change.mtu < 68) {
        return fail("EINVAL", "Cannot set MTU: below 68", "mtu");
      }
      this.links.set(ifname, { ...link.value, mtu: change.mtu ?? link.value.mtu });
      return this.#link(ifname);
    });
  dellink = (ns: string, ifname: string) =>
    this.#in(ns, () => {
      const link = this.#link(ifname);
      if (!link.ok) return link;
      this.links.delete(ifname);
      return ok(undefined);
    });

  listTunnels = (ns: string) => this.#in(ns, () => ok([...this.tunnels.values()]));
  getTunnel: Gateway["getTunnel"] = (ns, ifname) => this.#in(ns, () => this.#tunnel(ifname));
  addTunnel: Gateway["addTunnel"] = (ns, { ifname = "vti0", ...parm }) =>
    this.#in(ns, () => {
      if (this.tunnels.has(ifname)) return fail("EEXIST", `Cannot add tunnel ${ifname}: it exists`);
      this.tunnels.set(ifname, { ...NO_PARM, ...parm, ifname });
      return this.#tunnel(ifname);
    });
  chgTunnel: Gateway["chgTunnel"] = (ns, ifname, parm) =>
    this.#in(ns, () => {
      if (this.tunnels.has(ifname)) this.tunnels.set(ifname, { ...NO_PARM, ...parm, ifname });
      return this.#tunnel(ifname);
    });
  delTunnel: Gateway["delTunnel"] = (ns, ifname) =>
    this.#in(ns, () => {
      const tunnel = this.#tunnel(ifname);
      if (tunnel.ok) this.tunnels.delete(ifname);
      return tunnel.ok ? ok(undefined) : tunnel;
    });

  listStates: Gateway["listStates"] = (ns, filter, keys) =>
    this.#in(ns, () => this.xfrm.listStates(filter, keys));
  getState: Gateway["getState"] = (ns, id, keys) => this.#in(ns, () => this.xfrm.getState(id, keys));
  newState: Gateway["newState"] = (ns, request) => this.#in(ns, () => this.xfrm.newState(request));
  updState: Gateway["updState"] = (ns, request) => this.#in(ns, () => this.xfrm.updState(request));
  delState: Gateway["delState"] = (ns, id) => this.#in(ns, () => this.xfrm.delState(id));
  flushStates: Gateway["flushStates"] = (ns, filter) => this.#in(ns, () => this.xfrm.flushStates(filter));
  allocSpi: Gateway["allocSpi"] = (ns, request) => this.#in(ns, () => this.xfrm.allocSpi(request));

  listPolicies = (ns: string) => this.#in(ns, () => this.xfrm.listPolicies());
  getPolicy: Gateway["getPolicy"] = (ns, id) => this.#in(ns, () => this.xfrm.getPolicy(id));
  newPolicy: Gateway["newPolicy"] = (ns, request) => this.#in(ns, () => this.xfrm.newPolicy(request));
  updPolicy: Gateway["updPolicy"] = (ns, request) => this.#in(ns, () => this.xfrm.updPolicy(request));
  delPolicy: Gateway["delPolicy"] = (ns, id) => this.#in(ns, () => this.xfrm.delPolicy(id));
  getSpd = (ns: string) => this.#in(ns, () => this.xfrm.getSpd());
  setSpd: Gateway["setSpd"] = (ns, change) => this.#in(ns, () => this.xfrm.setSpd(change));
  flushPolicies: Gateway["flushPolicies"] = (ns, ptype) => this.#in(ns, () => this.xfrm.flushPolicies(ptype));

  xfrmStat = (ns: string) =>
    this.#in(ns, () => ok(Object.fromEntries(XFRM_MIB.map((name) => [name, 0])) as Record<XfrmMib, number>));

  health(): GatewayHealth {
    const state = this.ready ? "serving" : "starting";
    const workers = [{ id: 1, actors: ["netns self", "sa_table self"], restarts: 0, state }];
    return { ready: this.ready, placement: "packed", crypto: "noble", workers, uptime_seconds: 12 };
  }

  async *events(after: number, signal: AbortSignal): AsyncIterable<GatewayEvent> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    let next = after < 0 ? this.eventLog.length : after;
    while (!signal.aborted) {
      if (next < this.eventLog.length) yield this.eventLog[next++]!;
      else await Promise.race([this.#wake.promise, aborted]);
    }
  }

  close = () => Promise.resolve();

  #in<T>(ns: string, answer: () => Result<T>): Promise<Result<T>> {
    return Promise.resolve(
      this.netns.has(ns) ? answer() : fail("ENOENT", `Cannot open namespace ${ns}: none such`),
    );
  }

  #tunnel(ifname: string): Result<TunnelInfo> {
    const tunnel = this.tunnels.get(ifname);
    return tunnel ? ok(tunnel) : fail("ENODEV", `Cannot find tunnel ${ifname}: none such`, "ifname");
  }

  #link(ifname: string): Result<LinkInfo> {
    const link = this.links.get(ifname);
    return link ? ok(link) : fail("ENODEV", `Cannot find link ${ifname}: none such`, "ifname");
  }
}

const NO_PARM = { local: "any", remote: "any", ikey: 0, okey: 0, ttl: 0, tos: 0, pmtudisc: false };

function linkInfo(ifindex: number, ifname: string, mtu: number): LinkInfo {
  const none = { bytes: 0, packets: 0, errors: 0, dropped: 0 };
  return {
    ifindex,
    link: null,
    ifname,
    flags: ["NOARP"],
    mtu,
    qdisc: "noop",
    operstate: "DOWN",
    linkmode: "DEFAULT",
    group: "default",
    txqlen: 1000,
    link_type: "ipip",
    address: "0.0.0.0",
    broadcast: "0.0.0.0",
    promiscuity: 0,
    allmulti: 0,
    min_mtu: 0,
    max_mtu: 0,
    linkinfo: { info_kind: "vti", info_data: { remote: "any", local: "any" } },
    num_tx_queues: 1,
    num_rx_queues: 1,
    gso_max_size: 65536,
    gso_max_segs: 65535,
    tso_max_size: 65536,
    tso_max_segs: 65535,
    gro_max_size: 65536,
    stats64: {
      rx: { ...none, over_errors: 0, multicast: 0 },
      tx: { ...none, carrier_errors: 0, collisions: 0, aborted_errors: 0 },
    },
    drops: { OutNoPolicy: 2 },
  };
}
