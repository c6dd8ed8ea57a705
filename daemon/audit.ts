/** The audit log: one line of JSON on standard error for each change, where the journal stamps and keeps it. */
import type { AuditEntry } from "../api/audit.ts";

/** {"audit":{"time":…,"peer":…,"caller":…,"method":…,"path":…,"subject":…,"status":…,"errno":…}} */
export function auditLine(entry: AuditEntry, now = new Date()): string {
  return JSON.stringify({ audit: { time: now.toISOString(), ...entry } });
}
