/** `ip xfrm monitor` (iproute2 ip/xfrm_monitor.c). Keys are never in events. */
import { allEvents, eventsOf, netnsName } from "../events.ts";
import type { Command } from "../main.ts";
import type { Options } from "../options.ts";
import { EXIT_USAGE, notSupported, Quit } from "../quit.ts";
import type {
  GatewayEvent,
  XfrmAcquireInfo,
  XfrmMappingInfo,
  XfrmPolicyInfo,
  XfrmSpdInfo,
  XfrmStateInfo,
} from "../../api/schemas.ts";
import { printTimestamp } from "../timestamp.ts";
import { matches } from "../words.ts";
import { watchReplay } from "./xfrm_aevent.ts";
import { policyLines, printExpiredPolicy, printPolicy } from "./xfrm_policy_print.ts";
import { hex8, joinLines, printSelector } from "./xfrm_print.ts";
import { printDefaults } from "./xfrm_spd.ts";
import { printExpiredState, printState } from "./xfrm_state_print.ts";

const MONITOR_USAGE = `Usage: ip xfrm monitor [ nokeys ] [ all-nsid ] [ all | OBJECTS | help ]
OBJECTS := { acquire | expire | SA | aevent | policy | report }

Keys are never shown. aevent tells once a second which SAs have moved, of this namespace; reports come from
no gateway; all-nsid is every namespace that it serves.`;

/** In iproute2's order, which decides what an abbreviation means. */
const GROUPS = ["acquire", "expire", "SA", "aevent", "policy", "report"] as const;
/** Mapping changes have a group without a word: they come with all of them. */
type Group = (typeof GROUPS)[number] | "mapping";
const ALL: readonly Group[] = [...GROUPS, "mapping"];

const PREFIX = {
  newsa: "",
  updsa: "Updated ",
  delsa: "Deleted ",
  newpolicy: "",
  updpolicy: "Updated ",
  delpolicy: "Deleted ",
} as const;

/** Body of an expiry: one of both, and whether it is gone. */
interface Expiry {
  readonly state?: XfrmStateInfo;
  readonly policy?: XfrmPolicyInfo;
  readonly hard: boolean;
}

export async function doXfrmMonitor(command: Command): Promise<number> {
  const { wanted, allNsid } = await parseWords(command);
  const { options, print } = command;
  const own = await netnsName(command);
  const end = new AbortController();
  const watch = wanted.has("aevent") ? watchReplay(command, end.signal) : Promise.resolve();
  try {
    for await (const event of allNsid ? allEvents(command) : eventsOf(command)) {
      const group = groupOf(event.kind);
      if (group === null || !wanted.has(group)) continue;
      const nsid = event.netns === own ? "current" : event.netns;
      print(
        printTimestamp(event.time, options) + (allNsid ? `[nsid ${nsid}]` : "") + printEvent(event, options),
      );
    }
  } finally {
    end.abort();
    await watch;
  }
  return 0;
}

interface Wanted {
  readonly wanted: ReadonlySet<Group>;
  readonly allNsid: boolean;
}

/** No group at all means all of them. */
async function parseWords({ words }: Command): Promise<Wanted> {
  const wanted = new Set<Group>();
  let allNsid = false;
  while (!words.done) {
    const word = words.take();
    if (matches(word, "file")) await readFile(words.take());
    if (word === "nokeys" || word === "all") continue;
    if (matches(word, "all-nsid")) allNsid = true;
    else wanted.add(parseGroup(word));
  }
  return { wanted: wanted.size === 0 ? new Set(ALL) : wanted, allNsid };
}

/** Messages of netlink that were saved, of which a gateway has none. */
async function readFile(path: string): Promise<never> {
  if (await Deno.stat(path).then(() => true, () => false)) throw notSupported("file");
  throw new Quit(EXIT_USAGE, "Cannot fopen: No such file or directory");
}

function parseGroup(word: string): Group {
  const group = GROUPS.find((name) => matches(word, name));
  if (group !== undefined) return group;
  if (matches(word, "help")) throw new Quit(EXIT_USAGE, MONITOR_USAGE);
  throw new Quit(EXIT_USAGE, `Argument "${word}" is unknown, try "ip xfrm monitor help".`);
}

function groupOf(kind: GatewayEvent["kind"]): Group | null {
  if (kind === "expire" || kind === "acquire" || kind === "mapping") return kind;
  if (kind.endsWith("sa")) return "SA";
  return kind.endsWith("policy") || kind === "setdefault" ? "policy" : null;
}

function printEvent({ kind, body }: GatewayEvent, options: Options): string {
  switch (kind) {
    case "newsa":
    case "updsa":
    case "delsa":
      return PREFIX[kind] + printState(body as XfrmStateInfo, options);
    case "newpolicy":
    case "updpolicy":
    case "delpolicy":
      return PREFIX[kind] + printPolicy(body as XfrmPolicyInfo, options);
    case "flushsa":
      return joinLines([`Flushed state proto ${(body as { proto: string | null }).proto ?? 0}`], options);
    case "flushpolicy":
      return joinLines([`Flushed policy ptype ${(body as { ptype: string }).ptype} `], options);
    case "setdefault":
      return printDefaults(body as XfrmSpdInfo["default"]);
    case "expire":
      return `Expired ${printExpired(body as Expiry, options)}`;
    case "acquire":
      return printAcquire(body as XfrmAcquireInfo, options);
    case "mapping":
      return printMapping(body as XfrmMappingInfo, options);
    default:
      return "";
  }
}

function printExpired({ state, policy, hard }: Expiry, options: Options): string {
  if (state !== undefined) return printExpiredState(state, hard, options);
  return policy === undefined ? "" : printExpiredPolicy(policy, hard, options);
}

/** Kernel words: struct xfrm_user_acquire. All of the policy but its mark is set in. */
function printAcquire({ state, policy }: XfrmAcquireInfo, options: Options): string {
  const all = options.stats > 0;
  const spi = all || state.spi !== 0 ? `spi ${hex8(state.spi)}${all ? `(${state.spi})` : ""} ` : "";
  const [selector, ...rest] = policyLines(policy, options);
  const masks = "enc-mask ffffffff auth-mask ffffffff comp-mask ffffffff";
  return joinLines([
    `acquire proto ${state.proto} ${spi}`,
    `  sel ${state.sel === null ? "" : printSelector(state.sel, options)}`,
    `  policy ${selector}`,
    ...rest.map((line) => line.startsWith("\tmark ") ? line : `    ${line}`),
    // Decimal digits behind 0x are iproute2's.
    all ? `  seq 0x${String(state.seq).padStart(8, "0")} ${masks}` : "",
  ], options);
}

function printMapping({ state, new_src, new_sport }: XfrmMappingInfo, options: Options): string {
  const { src, dst, reqid, proto, spi, encap } = state;
  return joinLines([
    `Mapping change ${src}:${encap?.sport ?? 0} -> ${new_src}:${new_sport}`,
    `\tdst ${dst}  reqid 0x${reqid.toString(16)} protocol ${proto}  SPI 0x${spi.toString(16)}`,
  ], options);
}
