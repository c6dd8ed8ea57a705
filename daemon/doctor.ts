/** `doctor`: what this host has and lacks for the gateway, as a table or as JSON. */
import { parseArgs } from "node:util";
import { type Capability, probeHost } from "../ffi/capabilities.ts";
import { selectBackend, type SelectedBackend } from "../ffi/crypto_backend.ts";
import { printPermissions } from "./permissions.ts";
import { bold, dim, green, red, yellow } from "./terminal.ts";

const BACKENDS = ["ipsec-mb", "libcrypto", "noble"] as const;
type BackendName = SelectedBackend["name"];

export interface Diagnosis {
  /** The gateway can run. */
  readonly ready: boolean;
  readonly host: readonly Capability[];
  readonly crypto: {
    readonly found: readonly BackendName[];
    /** What `--crypto auto` takes. */
    readonly auto: BackendName;
    readonly warning: string | null;
  };
}

/** Returns the exit code: 0 when the gateway can run here, else 1. */
export function doctor(args: readonly string[]): number {
  const [first, ...rest] = args;
  if (first === "--permissions") return printPermissions(rest);
  let json: boolean | undefined;
  try {
    json = parseArgs({ args: [...args], options: { json: { type: "boolean", short: "j" } } }).values.json;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  const diagnosis = diagnose();
  console.log(json ? JSON.stringify(diagnosis, null, 2) : diagnosisText(diagnosis));
  return diagnosis.ready ? 0 : 1;
}

function diagnose(): Diagnosis {
  const host = probeHost();
  const { name, warning } = selectBackend("auto");
  return {
    ready: host.every(({ ok, required }) => ok || !required),
    host,
    crypto: { found: BACKENDS.filter(isFound), auto: name, warning },
  };
}

function isFound(name: BackendName): boolean {
  try {
    selectBackend(name);
    return true;
  } catch {
    return false;
  }
}

/** One line for each thing, the remedy below where there is one; then what follows from it. */
export function diagnosisText({ ready, host, crypto }: Diagnosis): string {
  const auto = { name: "crypto", ok: crypto.warning === null, required: false };
  const found = `found: ${crypto.found.join(", ")}; --crypto auto takes ${crypto.auto}`;
  const rows: Capability[] = [...host, { ...auto, detail: found, remedy: crypto.warning ?? "" }];
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.flatMap((row) => {
    const line = `${mark(row)} ${row.name.padEnd(width)}  ${row.detail}`;
    return row.remedy === "" ? [line] : [line, `        ${" ".repeat(width)}  ${dim(`→ ${row.remedy}`)}`];
  });
  const verdict = ready ? green("The gateway can run on this host.") : red(
    `The gateway can't run on this host: it lacks ${
      host.filter((c) => c.required && !c.ok).map((c) => c.name).join(", ")
    }.`,
  );
  return [...lines, "", bold(verdict)].join("\n");
}

function mark({ ok, required }: Capability): string {
  if (ok) return green("ok     ");
  return required ? red("missing") : yellow("missing");
}
