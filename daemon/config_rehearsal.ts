/**
 * What a configuration file asks for, tried out before any of it is done: SAs and policies by the gateway's own control
 * path in a SAD and SPD that nobody uses, links by the rules that a new one is held against. So a wrong file is found
 * out while everything still is as it was.
 */
import type {
  LinkInfo,
  NetnsRef,
  XfrmPolicyInfo,
  XfrmPolicyRequest,
  XfrmStateInfo,
  XfrmStateRequest,
} from "../actors/gateway.ts";
import { formatIpv4 } from "../actors/control/ip_address.ts";
import { type Keeper, SLOT_MEMORY_BYTES } from "../actors/control/keeper.ts";
import { type KernelError, ok, type Result } from "../actors/control/kernel_error.ts";
import { XfrmUser } from "../actors/control/xfrm_user.ts";
import { checkTransform, type CryptoChoice, selectBackend } from "../ffi/crypto_backend.ts";
import { SyscallError } from "../ffi/errno.ts";
import { close } from "../ffi/io.ts";
import { openNetns, withNetns } from "../ffi/netns.ts";
import { Rtnetlink } from "../ffi/rtnetlink.ts";
import { ConfigError, type ConfigFile, type Placed } from "./config_file.ts";
import { infoData, policyRequest, stateRequest } from "./config_requests.ts";
import type { LinkEntry, NetnsEntry } from "./config_schema.ts";

/** What an entry comes to. */
export interface Wanted<E, R, I> {
  readonly entry: E;
  readonly at: Placed<E>["at"];
  readonly request: R;
  /** As the gateway would list it. */
  readonly info: I;
}

export type WantedLink = Wanted<LinkEntry, undefined, Pick<LinkInfo, "ifname" | "linkinfo" | "flags">>;
export type WantedState = Wanted<{ readonly netns: NetnsRef }, XfrmStateRequest, XfrmStateInfo>;
export type WantedPolicy = Wanted<{ readonly netns: NetnsRef }, XfrmPolicyRequest, XfrmPolicyInfo>;

export interface Rehearsed {
  readonly netns: readonly Placed<NetnsEntry>[];
  readonly links: readonly WantedLink[];
  readonly states: readonly WantedState[];
  readonly policies: readonly WantedPolicy[];
}

/** Names of the gateway's own links in a namespace: they may be what the file is about. */
export type OwnLinks = (netns: NetnsRef) => ReadonlySet<string>;

/** Throws ConfigError for the first entry that the gateway would refuse. */
export function rehearse(file: ConfigFile, crypto: CryptoChoice, ownLinks: OwnLinks): Rehearsed {
  const stages = new Map<NetnsRef, Stage>();
  const declared = new Map<string, Placed<NetnsEntry>>();
  try {
    for (const netns of file.netns) {
      const { name, create } = netns.entry;
      if (declared.has(name)) {
        throw refusal(netns.at("name"), `Cannot make namespace "${name}": it is named twice`);
      }
      declared.set(name, netns);
      stages.set(name, openStage(name, create, netns.at("name"), crypto, ownLinks(name)));
    }
    const stageOf = ({ entry: { netns }, at }: Placed<{ readonly netns: NetnsRef }>): Stage => {
      const known = stages.get(netns);
      if (known !== undefined) return known;
      const opened = openStage(netns, false, at("netns"), crypto, ownLinks(netns));
      stages.set(netns, opened);
      return opened;
    };
    return {
      netns: file.netns,
      links: file.links.map((link) => stageOf(link).newLink(link)),
      states: file.states.map((state) => {
        const request = stateRequest(state.entry);
        const info = checked(stageOf(state).xfrm.newState(request), state.at, {});
        return { ...state, request, info };
      }).map((wanted) => withKeys(wanted, stageOf(wanted))),
      policies: file.policies.map((policy) => {
        const request = policyRequest(policy.entry);
        const info = checked(stageOf(policy).xfrm.newPolicy(request), policy.at, { sel: "" });
        return { ...policy, request, info };
      }),
    };
  } finally {
    for (const stage of stages.values()) stage.close();
  }
}

/** newState() answers without the keys; these are to be compared. */
function withKeys(wanted: WantedState, stage: Stage): WantedState {
  const listed = stage.xfrm.getState(wanted.request, true);
  return listed.ok ? { ...wanted, info: listed.value } : wanted;
}

function openStage(
  netns: NetnsRef,
  create: boolean,
  place: string,
  crypto: CryptoChoice,
  ownLinks: ReadonlySet<string>,
): Stage {
  try {
    return new Stage(openNetns(netns), crypto, ownLinks);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errnoName !== "ENOENT" && error.errnoName !== "ESRCH") throw refusal(place, error.message);
    if (create) return new Stage(null, crypto, ownLinks);
    throw refusal(place, `Cannot use namespace "${netns}": it is not there, and no [[netns]] makes it`);
  }
}

const LOOPBACK = { name: "lo", ifindex: 1 } as const;

/** One namespace, with its real devices and an SAD and SPD of its own. */
class Stage {
  readonly xfrm: XfrmUser;
  readonly #ownLinks: ReadonlySet<string>;
  readonly #rtnl: Rtnetlink | null;
  readonly #links: { readonly entry: LinkEntry; readonly ifindex: number }[] = [];

  /** `fd` is the namespace, which is closed here; null: it is still to be made. */
  constructor(fd: number | null, crypto: CryptoChoice, ownLinks: ReadonlySet<string>) {
    this.#ownLinks = ownLinks;
    this.#rtnl = fd === null ? null : withNetns(fd, () => new Rtnetlink());
    if (fd !== null) close(fd);
    const backend = selectBackend(crypto);
    this.xfrm = new XfrmUser({
      keeper: forgetful,
      send: () => {},
      event: () => {},
      isHeard: () => false,
      now: () => 0,
      wallTime: (seconds) => seconds,
      ifindexOf: (ifname) => this.#ifindexOf(ifname),
      ifnameOf: (ifindex) => this.#ifnameOf(ifindex),
      checkTransform: (spec, proto) => checkTransform(backend, spec, proto),
      sysctls: { noPmtuDisc: () => false, acqExpires: () => 0 },
    });
  }

  newLink({ entry, at }: Placed<LinkEntry>): WantedLink {
    const { name, dev } = entry;
    const cannot = (key: string, state: string) => refusal(at(key), `Cannot create link "${name}": ${state}`);
    if (this.#links.some((link) => link.entry.name === name)) throw cannot("name", "it is named twice");
    if (!this.#ownLinks.has(name) && this.#rtnl?.link(name)) {
      throw cannot("name", "a device of that name exists");
    }
    if (dev !== undefined && this.#ifindexOf(dev) === null) {
      throw cannot("dev", `there is no device "${dev}"`);
    }
    const ends = endsOf(entry);
    if (ends === endsOf({})) throw cannot("name", "it needs local, remote or dev");
    const twin = this.#links.find((link) => endsOf(link.entry) === ends);
    if (twin !== undefined) {
      throw cannot("name", `"${twin.entry.name}" has the same local, remote and dev`);
    }
    // Real devices have low numbers.
    this.#links.push({ entry, ifindex: 1_000_000 + this.#links.length });
    return { entry, at, request: undefined, info: linkInfo(entry) };
  }

  #ifindexOf(ifname: string): number | null {
    const wanted = this.#links.find((link) => link.entry.name === ifname);
    if (wanted !== undefined) return wanted.ifindex;
    // A namespace that is still to be made will have its loopback device.
    if (this.#rtnl === null) return ifname === LOOPBACK.name ? LOOPBACK.ifindex : null;
    return this.#rtnl.link(ifname)?.ifindex ?? null;
  }

  #ifnameOf(ifindex: number): string | null {
    const wanted = this.#links.find((link) => link.ifindex === ifindex);
    if (wanted !== undefined) return wanted.entry.name;
    if (this.#rtnl === null) return ifindex === LOOPBACK.ifindex ? LOOPBACK.name : null;
    return this.#rtnl.link(ifindex)?.name ?? null;
  }

  close(): void {
    // Zeroes the keys.
    this.xfrm.flushStates({});
    this.#rtnl?.close();
  }
}

/** What tells tunnels apart (ip_tunnel_find). */
function endsOf({ local, remote, dev }: Pick<LinkEntry, "local" | "remote" | "dev">): string {
  return JSON.stringify([local ?? "0.0.0.0", remote ?? "0.0.0.0", dev ?? ""]);
}

/** As vti_fill_info and iproute2 show it. */
function linkInfo(entry: LinkEntry): WantedLink["info"] {
  const { local, remote, ikey, okey, link, fwmark } = infoData(entry);
  const any = (address: string | undefined) => address === "0.0.0.0" ? "any" : address!;
  return {
    ifname: entry.name,
    flags: entry.up ? ["UP"] : [],
    linkinfo: {
      info_kind: "vti",
      info_data: {
        remote: any(remote),
        local: any(local),
        ...(link !== undefined && { link }),
        ...(ikey && { ikey: formatIpv4(ikey) }),
        ...(okey && { okey: formatIpv4(okey) }),
        ...(fwmark && { fwmark: `0x${fwmark.toString(16)}` }),
      },
    },
  };
}

/** Memory for what is only tried out. */
const forgetful: Keeper = {
  allocate: () => ok({ identity: "", address: 0n, memory: new ArrayBuffer(SLOT_MEMORY_BYTES), lost: false }),
  release: () => {},
  add: () => ok(undefined),
  change: () => {},
  remove: () => {},
};

/** The value, or the error at the line of what it blames; `renamed` are request members by another name in the file. */
export function checked<T>(
  result: Result<T>,
  at: Placed<unknown>["at"],
  renamed: Readonly<Record<string, string>>,
): T {
  if (result.ok) return result.value;
  throw refusal(at(keyToBlame(result.error, renamed)), result.error.message);
}

function keyToBlame(
  { attribute }: KernelError,
  renamed: Readonly<Record<string, string>>,
): string | undefined {
  if (attribute === undefined) return undefined;
  const [first, ...rest] = attribute.split(".");
  const name = renamed[first!];
  return name === undefined ? attribute : [name, ...rest].filter((part) => part !== "").join(".");
}

function refusal(place: string, message: string): ConfigError {
  return new ConfigError(`${place}: ${message}`);
}
