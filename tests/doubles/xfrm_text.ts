/**
 * Reads what `ip xfrm` printed back into records: the reverse of the client's printer, so that every state and policy
 * of a transcript can be held against it. Fields that plain output leaves out are zero.
 */
import type {
  XfrmLimits,
  XfrmMark,
  XfrmPolicyInfo,
  XfrmSelectorInfo,
  XfrmStateInfo,
} from "../../actors/gateway.ts";

const PROTO_NUMBERS: Record<string, number> = {
  tcp: 6,
  icmp: 1,
  gre: 47,
  "mobility-header": 135,
};

export function readStates(text: string): XfrmStateInfo[] {
  return split(text).map(readState);
}

export function readPolicies(text: string): XfrmPolicyInfo[] {
  return split(text).map(readPolicy);
}

/** One text for each state or policy: they begin without a tab. */
function split(text: string): string[] {
  return text.split(/\n(?=src )/).filter((part) => part !== "");
}

export function readState(text: string): XfrmStateInfo {
  const field = fields(text);
  const sel = /\tsel (.*)/.exec(text);
  const aead = /\taead (\S+) (<<Keys hidden>>|\S+)(?: \((\d+) bits\))? (\d+)/.exec(text);
  const auth = /\tauth-trunc (\S+) (\S*)(?: \((\d+) bits\))? (\d+)/.exec(text);
  const enc = /\tenc (\S+) (\S*)(?: \((\d+) bits\))?/.exec(text);
  const encap = /\tencap type (\S+) sport (\d+) dport (\d+) addr (\S+)/.exec(text);
  const seq = (name: string) =>
    Number.parseInt(field(`(?:context: |, |\t )${name} 0x([0-9a-f]+)`) ?? "0", 16);
  const legacy = text.includes("anti-replay context");
  return {
    src: field("^src (\\S+)")!,
    dst: field("^src \\S+ dst (\\S+)")!,
    proto: field("\tproto (\\S+)") as XfrmStateInfo["proto"],
    spi: Number(field("spi (0x[0-9a-f]+)")),
    reqid: Number(field("reqid (\\d+)")),
    mode: field("mode (\\S+)") as XfrmStateInfo["mode"],
    replay_window: Number(legacy ? field("replay-window (\\d+)") : field("replay_window (\\d+)")),
    flags: flags(text) as XfrmStateInfo["flags"],
    extra_flags: [],
    ...optional("mark", mark(text, "\tmark")),
    ...optional("output_mark", mark(text, "output-mark")),
    ...optional("aead", aead && { ...key(aead), icv_bits: Number(aead[4]) }),
    ...optional("auth", auth && { ...key(auth), trunc_bits: Number(auth[4]) }),
    ...optional("enc", enc && key(enc)),
    ...optional("comp", /\tcomp/.test(text) && { name: field("\tcomp (\\S+)")! }),
    ...optional(
      "encap",
      encap && {
        type: encap[1] as "espinudp",
        sport: Number(encap[2]),
        dport: Number(encap[3]),
        oaddr: encap[4]!,
      },
    ),
    ...optional("if_id", Number(field("if_id (0x[0-9a-f]+)") ?? 0) || null),
    sel: sel && readSelector(sel[1]!),
    seq: Number(field("seq 0x(\\d{8}) flag") ?? 0),
    limits: limits(text),
    replay: {
      kind: legacy ? "legacy" : text.includes("flag esn") ? "esn" : "bitmap",
      seq: seq("seq"),
      oseq: seq("oseq"),
      seq_hi: seq("seq-hi"),
      oseq_hi: seq("oseq-hi"),
      bitmap: bitmap(text, legacy),
    },
    lifetime: lifetime(text),
    stats: {
      replay_window: Number(field("stats:\n\t  replay-window (\\d+)") ?? 0),
      replay: Number(field(" replay (\\d+) failed") ?? 0),
      failed: Number(field("failed (\\d+)") ?? 0),
    },
  };
}

export function readPolicy(text: string): XfrmPolicyInfo {
  const field = fields(text);
  return {
    sel: readSelector(text.split("\n")[0]!),
    dir: field("\tdir (\\S+)") as XfrmPolicyInfo["dir"],
    action: text.includes("action block") ? "block" : "allow",
    index: Number(field("index (\\d+)") ?? 0),
    priority: Number(field("priority (\\d+)")),
    ptype: field("ptype (\\S+)") as XfrmPolicyInfo["ptype"],
    flags: flags(text) as XfrmPolicyInfo["flags"],
    ...optional("mark", mark(text, "\tmark")),
    ...optional("if_id", Number(field("if_id (0x[0-9a-f]+)") ?? 0) || null),
    limits: limits(text),
    lifetime: lifetime(text),
    tmpl: text.split("\ttmpl ").slice(1).map((tmpl) => {
      const of = fields(tmpl);
      return {
        src: of("^src (\\S+)")!,
        dst: of("dst (\\S+)")!,
        proto: of("proto (\\S+)") as "esp",
        spi: Number(of("spi (0x[0-9a-f]+)") ?? 0),
        reqid: Number(of("reqid (\\d+)")),
        mode: of("mode (\\S+)") as "tunnel",
        level: tmpl.includes("level use") ? "use" : "required",
      };
    }),
  };
}

function readSelector(text: string): XfrmSelectorInfo {
  const field = fields(text);
  const name = field("proto (\\S+)");
  const key = field(" key (\\d+)");
  const [sport, dport] = key === null
    ? [field("(?:sport|type) (\\d+)"), field("(?:dport|code) (\\d+)") ?? field("\\(dport\\) (0x\\d+)")]
    : [Number(key) >>> 16, Number(key) & 0xffff];
  return {
    src: field("src (\\S+)")!,
    dst: field("dst (\\S+)")!,
    proto: name === null ? 0 : PROTO_NUMBERS[name] ?? Number(name),
    sport: Number(sport ?? 0),
    sport_mask: sport === null ? 0 : 0xffff,
    dport: Number(dport ?? 0),
    dport_mask: dport === null ? 0 : 0xffff,
    ...optional("dev", field("dev (\\S+)")),
  };
}

function fields(text: string): (pattern: string) => string | null {
  return (pattern) => new RegExp(pattern).exec(text)?.[1] ?? null;
}

function flags(text: string): string[] {
  const shown = /flag ([^(\n]*)/.exec(text)?.[1]?.trim() ?? "";
  return shown === "" ? [] : shown.split(" ");
}

function mark(text: string, name: string): XfrmMark | null {
  const found = new RegExp(`${name} (\\S+)/(\\S+)`).exec(text);
  return found && { value: Number(found[1]), mask: Number(found[2]) };
}

function key(algo: RegExpExecArray): { name: string; key: string; key_bits: number } {
  return { name: algo[1]!, key: algo[2]!, key_bits: Number(algo[3] ?? 0) };
}

/** The words stand highest first. */
function bitmap(text: string, legacy: boolean): number[] {
  const shown = legacy
    ? /bitmap 0x([0-9a-f]{8})/.exec(text)![1]!
    : /bitmap-length \d+\n((?:\t (?:[0-9a-f]{8} )+\n)+)/.exec(text)![1]!;
  return shown.trim().split(/\s+/).map((word) => Number.parseInt(word, 16)).reverse();
}

function limits(text: string): XfrmLimits {
  const pair = (label: string, unit: string, soft: string, hard: string) => {
    const found = new RegExp(`${label}: soft (\\S+)\\(${unit}\\), hard (\\S+)\\(${unit}\\)`).exec(text);
    return { ...limit(soft, found?.[1]), ...limit(hard, found?.[2]) };
  };
  return {
    ...pair("limit", "bytes", "byte_soft", "byte_hard"),
    ...pair("limit", "packets", "packet_soft", "packet_hard"),
    ...pair("expire add", "sec", "time_soft", "time_hard"),
    ...pair("expire use", "sec", "time_use_soft", "time_use_hard"),
  };
}

function limit(name: string, shown: string | undefined): Record<string, number> {
  return shown === undefined || shown === "(INF)" || shown === "0" ? {} : { [name]: Number(shown) };
}

/** Seconds of local time, as the printer takes them. */
function lifetime(text: string): XfrmStateInfo["lifetime"] {
  const field = fields(text);
  const time = (shown: string | null) =>
    shown === null || shown === "-" ? 0 : new Date(shown.replace(" ", "T")).getTime() / 1000;
  return {
    bytes: Number(field("\t  (\\d+)\\(bytes\\)") ?? 0),
    packets: Number(field(", (\\d+)\\(packets\\)\n\t  add") ?? 0),
    add_time: time(field("  add (\\S+ \\S+) use")),
    use_time: time(field("  add .* use (.*)")),
  };
}

function optional<K extends string, V>(
  name: K,
  value: V | null | false,
): { [P in K]?: Exclude<V, null | false> } {
  return (value === null || value === false ? {} : { [name]: value }) as {
    [P in K]?: Exclude<V, null | false>;
  };
}
