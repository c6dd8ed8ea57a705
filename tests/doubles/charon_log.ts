/**
 * The SAs of a charon as its log tells of them, with keys when the log of "chd" has level 4: what a kernel is told by
 * netlink at the same moments.
 */

export interface LoggedSa {
  /** As seen by the end with this log. */
  readonly dir: "in" | "out";
  /** Number of the CHILD_SA; a rekeyed one has the next. */
  readonly child: number;
  readonly spi: number;
  /** Hex; `auth` is "" for an AEAD, whose salt is the end of `enc`. */
  readonly enc: string;
  readonly auth: string;
}

export type SaEvent =
  | { readonly op: "add"; readonly sa: LoggedSa }
  /** Both SAs of the CHILD_SA have come to their end. */
  | { readonly op: "delete"; readonly child: number };

type Role = "initiator" | "responder";
type Dir = LoggedSa["dir"];

/** What has happened to the SAs of the CHILD_SA "inner", in the order of the log. */
export function saEvents(log: string): SaEvent[] {
  const events: SaEvent[] = [];
  const keys = new Map<string, string>();
  /** CHILD_SAs whose exchange this end began. */
  const initiated = new Set<number>();
  /** Outbound SAs with keys that are not in use yet: a responder waits for the peer to drop the old one. */
  const registered = new Map<number, LoggedSa>();
  let child = 0;
  let dump = { name: "", left: 0 };
  let announced: { verb: string; dir: Dir } | null = null;

  const newSa = (dir: Dir, spi: number): LoggedSa => {
    const [own, peer]: [Role, Role] = initiated.has(child)
      ? ["initiator", "responder"]
      : ["responder", "initiator"];
    const sender = dir === "in" ? peer : own;
    const key = (kind: string) => keys.get(`${kind} ${sender}`) ?? "";
    return { dir, child, spi, enc: key("encryption"), auth: key("integrity") };
  };

  // The last line may be half written.
  for (const line of log.slice(0, Math.max(log.lastIndexOf("\n"), 0)).split("\n")) {
    const text = line.replace(/^\d+\[[A-Z]+\] /, "");
    if (dump.left > 0) {
      const row = text.match(/^ +\d+: ((?:[0-9A-F]{2} )+)/)![1]!.trim().split(" ");
      const bytes = row.slice(0, dump.left);
      dump.left -= bytes.length;
      keys.set(dump.name, (keys.get(dump.name) ?? "") + bytes.join("").toLowerCase());
      continue;
    }
    let found;
    if ((found = text.match(/^(\w+ \w+) key => (\d+) bytes/))) {
      dump = { name: found[1]!, left: Number(found[2]) };
    } else if ((found = text.match(/^establishing CHILD_SA inner\{(\d+)\}/))) {
      initiated.add(Number(found[1]));
    } else if ((found = text.match(/^CHILD_SA inner\{(\d+)\} state change: \w+ => (\w+)/))) {
      if (found[2] === "INSTALLING") {
        child = Number(found[1]);
        keys.clear();
      } else if (found[2] === "DESTROYING") events.push({ op: "delete", child: Number(found[1]) });
    } else if ((found = text.match(/^(adding|registering) (in|out)bound ESP SA/))) {
      announced = { verb: found[1]!, dir: found[2] as Dir };
    } else if (announced !== null && (found = text.match(/^ +SPI (0x[0-9a-f]+),/))) {
      const spi = Number(found[1]);
      const sa = registered.get(spi) ?? newSa(announced.dir, spi);
      if (announced.verb === "adding") events.push({ op: "add", sa });
      else registered.set(spi, sa);
      announced = null;
    }
  }
  return events;
}
