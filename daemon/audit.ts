/** The audit log: one line of JSON on standard error for each change, where the journal stamps and keeps it. */
import type { Gateway } from "../actors/gateway.ts";
import type { Result } from "../actors/control/kernel_error.ts";
import { type AuditEntry, subjectOf } from "../api/audit.ts";

/** A change that the configuration file asked for. */
interface FileEntry {
  readonly peer: { readonly transport: "file"; readonly path: string };
  readonly caller: "config";
  /** Method of Gateway. */
  readonly method: string;
  readonly subject: Readonly<Record<string, unknown>>;
  readonly errno?: string;
}

/** {"audit":{"time":…,"peer":…,"caller":…,"method":…,"path":…,"subject":…,"status":…,"errno":…}} */
export function auditLine(entry: AuditEntry | FileEntry, now = new Date()): string {
  return JSON.stringify({ audit: { time: now.toISOString(), ...entry } });
}

/** Methods that change something: newlink, updState, flushPolicies … */
const CHANGES = /^(new|change|upd|del|flush|alloc)/;

/** The gateway, each change by which is written down as one of the configuration file `path`. */
export function auditedForFile(gateway: Gateway, path: string, log: (line: string) => void): Gateway {
  return new Proxy(gateway, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (!CHANGES.test(String(name))) return member.bind(target);
      return async (ns: string, ...rest: unknown[]) => {
        const result = await member.call(target, ns, ...rest) as Result<unknown>;
        const [first] = rest;
        const subject = subjectOf(typeof first === "string" ? { ifname: first } : first, rest[1], { ns });
        log(auditLine({
          peer: { transport: "file", path },
          caller: "config",
          method: String(name),
          subject,
          ...(!result.ok && { errno: result.error.errno }),
        }));
        return result;
      };
    },
  });
}
