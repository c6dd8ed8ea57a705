/**
 * The test command: `deno task test [check|unit|netns|interop]...`, everything when no part is named.
 *
 * Installs what the tests' judges need (Debian, as root), says what it skips and why, runs the parts one after the
 * other within a bounded time, and ends with one line "N passed, N failed".
 */

type Part = "check" | "unit" | "netns" | "interop";
const PARTS: readonly Part[] = ["check", "unit", "netns", "interop"];

interface Step {
  readonly part: Part;
  readonly name: string;
  /** Arguments of deno. */
  readonly args: readonly string[];
  /** A test run prints its own counts; any other step counts as one. */
  readonly counts: boolean;
  /** Seconds; beyond it the step is ended and has failed. */
  readonly limit: number;
}

/** Tests that make namespaces and start the daemon. */
const WHOLE_PROGRAM = ["tests/netns", "tests/faults", "tests/security", "tests/soak"];
const INTEROP = ["tests/interop"];
const IMPORT_RULE = "tests/import_rule_test.ts";

// deno-fmt-ignore
const STEPS: readonly Step[] = [
  { part: "check", name: "format", args: ["fmt", "--check"], counts: false, limit: 120 },
  { part: "check", name: "lint", args: ["lint"], counts: false, limit: 120 },
  { part: "check", name: "types", args: ["check", "."], counts: false, limit: 240 },
  { part: "check", name: "import rule", args: ["test", "-A", IMPORT_RULE], counts: true, limit: 60 },
  {
    part: "unit",
    name: "unit tests",
    args: ["test", "-A", `--ignore=${[...WHOLE_PROGRAM, ...INTEROP, IMPORT_RULE].join(",")}`],
    counts: true,
    limit: 400,
  },
  { part: "netns", name: "tests in namespaces", args: ["test", "-A", ...WHOLE_PROGRAM], counts: true, limit: 1200 },
  { part: "interop", name: "tests against other programs", args: ["test", "-A", ...INTEROP], counts: true, limit: 900 },
];

/** Debian packages that a part needs. */
const PACKAGES: Readonly<Record<Part, readonly string[]>> = {
  check: [],
  unit: ["libipsec-mb1", "openssl"],
  netns: [
    "libipsec-mb1",
    "iproute2",
    "iputils-ping",
    "iperf3",
    "ethtool",
    "tcpdump",
    "tshark",
    "python3-scapy",
    "systemd",
    "strace",
    "libfaketime",
    "openssl",
  ],
  interop: [
    ...["libipsec-mb1", "iproute2", "iputils-ping", "iperf3", "tcpdump", "tshark", "python3-scapy"],
    ...[
      "strongswan-charon",
      "strongswan-swanctl",
      "libcharon-extra-plugins",
      "libstrongswan-standard-plugins",
    ],
    // Linux's own ip_vti in a guest.
    ...["qemu-system-x86", "busybox-static", "lz4"],
  ],
};

/** Seconds for everything, installation included. */
const TOTAL_LIMIT = 2700;
/** Files that get a second look; more than these did not fail by chance. */
const SECOND_LOOK_FILES = 3;
/** Seconds between asking a step to end and ending it. */
const END_GRACE = 5;

const started = performance.now();
const elapsed = (): number => (performance.now() - started) / 1000;
let passed = 0;
let failed = 0;

for (const part of wanted()) {
  const obstacle = await missing(part);
  if (obstacle !== null) {
    console.log(`\n== skipped: ${part}, ${obstacle}`);
    // Where the tests are meant to run, a judge that can't be had is a failure.
    if (Deno.env.has("CI")) failed++;
    continue;
  }
  for (const step of STEPS) if (step.part === part) await runStep(step);
}
console.log(`\n${elapsed().toFixed(0)} s`);
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

function wanted(): readonly Part[] {
  const unknown = Deno.args.find((word) => !(PARTS as readonly string[]).includes(word));
  if (unknown !== undefined) {
    console.error(`Cannot run "${unknown}": expected ${PARTS.join(", ")}`);
    Deno.exit(2);
  }
  return Deno.args.length === 0 ? PARTS : PARTS.filter((part) => Deno.args.includes(part));
}

/** Why a part can't run here, or null; installs packages where it may. */
async function missing(part: Part): Promise<string | null> {
  const root = Deno.uid() === 0;
  if (part === "netns" || part === "interop") {
    if (!root) return "needs root: it makes network namespaces";
    if (!await exists("/dev/net/tun")) return "needs /dev/net/tun";
  }
  if (PACKAGES[part].length === 0) return null;
  if (!await exists("/etc/debian_version")) {
    console.log(`not Debian: taking for granted ${PACKAGES[part].join(" ")}`);
    return null;
  }
  const absent = await absentPackages(PACKAGES[part]);
  if (absent.length === 0) return null;
  if (!root && part !== "unit") return `needs the packages ${absent.join(" ")}`;
  if (root && await install(absent)) return null;
  // The unit tests do without: they test the libraries that are there.
  return part === "unit" ? null : `can't install ${absent.join(" ")}`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function absentPackages(names: readonly string[]): Promise<string[]> {
  const { stdout } = await new Deno.Command("dpkg-query", {
    args: ["-W", "-f", "${Package} ${db:Status-Status}\\n", ...names],
    stderr: "null",
  }).output();
  const installed = new TextDecoder().decode(stdout).split("\n");
  return names.filter((name) => !installed.includes(`${name} installed`));
}

async function install(names: readonly string[]): Promise<boolean> {
  console.log(`\n== installing ${names.join(" ")}`);
  const apt = (...args: string[]) =>
    new Deno.Command("apt-get", {
      args: ["-qq", "-o", "Dpkg::Use-Pty=0", ...args],
      env: { DEBIAN_FRONTEND: "noninteractive" },
      stdin: "null",
      stdout: "null",
    }).output();
  await apt("update");
  const { success } = await apt("install", "-y", "--no-install-recommends", ...names);
  return success;
}

async function runStep(step: Step): Promise<void> {
  console.log(`\n== ${step.name}`);
  const limit = Math.min(step.limit, TOTAL_LIMIT - elapsed());
  const { success, output } = await runDeno(step.args, limit);
  const counts = step.counts ? output.match(/^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed/m) : null;
  passed += counts ? Number(counts[1]) : success ? 1 : 0;
  const failures = counts ? Number(counts[2]) : 0;
  if (failures > 0 && await passAlone(step, output)) {
    passed += failures;
    return;
  }
  // A run that ended badly without a failed test (a type error, a time limit) is one failure.
  failed += success ? failures : Math.max(failures, 1);
  if (!success) console.log(`== ${step.name} failed`);
}

/**
 * Runs the files with failed tests once more. What passes alone met a busy machine, or is a rare fault: it does not fail
 * the step, but it is said, so that it can be looked into.
 */
async function passAlone(step: Step, output: string): Promise<boolean> {
  const found = [...output.matchAll(/^(.+) => \.\/(\S+_test\.ts):\d+:\d+$/gm)];
  const files = [...new Set(found.map(([, , file]) => file!))];
  if (files.length === 0 || files.length > SECOND_LOOK_FILES) return false;
  console.log(`\n== ${step.name}, once more: ${files.join(" ")}`);
  const { success } = await runDeno(["test", "-A", ...files], Math.min(step.limit, TOTAL_LIMIT - elapsed()));
  if (success) {
    console.log(`== failed once, passed alone: ${[...new Set(found.map(([, name]) => name))].join("; ")}`);
  }
  return success;
}

/** Runs deno with its output shown and collected, for at most `limit` seconds. */
async function runDeno(
  args: readonly string[],
  limit: number,
): Promise<{ success: boolean; output: string }> {
  if (limit <= 0) {
    console.log(`no time left: all steps together may take ${TOTAL_LIMIT} s`);
    return { success: false, output: "" };
  }
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = (signal: Deno.Signal) => {
    console.log(`${limit.toFixed(0)} s passed: ${signal}`);
    child.kill(signal);
  };
  const timers = [
    setTimeout(() => end("SIGTERM"), limit * 1000),
    setTimeout(() => end("SIGKILL"), (limit + END_GRACE) * 1000),
  ];
  const [output, , { success }] = await Promise.all([
    show(child.stdout, Deno.stdout),
    show(child.stderr, Deno.stderr),
    child.status,
  ]);
  timers.forEach(clearTimeout);
  return { success, output };
}

async function show(
  from: ReadableStream<Uint8Array>,
  to: { writeSync(bytes: Uint8Array): number },
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of from) {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}
