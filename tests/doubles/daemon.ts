/** The real daemon as a process of a test, and its client in iproute2's words. */
import { type Background, must, type Ran, run, type Topology } from "./topology.ts";
import type { LinkInfo, WorkerInfo } from "../../actors/gateway.ts";
import type { XfrmMib } from "../../datapath/drop_reason.ts";
import { VARIANT } from "./variant.ts";

export type Placement = "packed" | "isolated";

export interface DaemonSetup {
  readonly placement: Placement;
  readonly crypto?: "auto" | "ipsec-mb" | "libcrypto" | "noble";
  /** Namespace the daemon itself runs in; absent: the test's own. */
  readonly netns?: string;
  /** Script in place of mod.ts, relative to the repository. */
  readonly script?: string;
  /** Shell commands that run before it in a mount namespace of its own. */
  readonly mounts?: string;
  /** Environment variables. */
  readonly env?: Record<string, string>;
  /** Run directory of an earlier daemon, whose state this one takes over; absent: a fresh one. */
  readonly runDir?: string;
  /** More options of run. */
  readonly args?: readonly string[];
  /** Milliseconds until it must be ready; READY_TIMEOUT unless told. */
  readonly readyTimeout?: number;
}

const ROOT = new URL("../../", import.meta.url).pathname;
const MOD = `${ROOT}mod.ts`;
/** Milliseconds; workers start in turn, and a cold module cache compiles first. */
const READY_TIMEOUT = 20_000;

export class Daemon {
  readonly runDir: string;
  readonly process: Background;

  private constructor(process: Background, runDir: string) {
    this.process = process;
    this.runDir = runDir;
  }

  /** Starts a daemon with directories of its own; resolves when it says that it is ready. */
  static async start(topology: Topology, setup: DaemonSetup): Promise<Daemon> {
    const directory = setup.runDir ?? await topology.directory();
    const script = setup.script === undefined ? [MOD, "run"] : [`${ROOT}${setup.script}`];
    const mounted = setup.mounts === undefined
      ? []
      : ["unshare", "--mount", "sh", "-ec", `${setup.mounts}\nexec "$@"`, "sh"];
    const words = [
      ...mounted,
      ...[Deno.execPath(), "run", "-A", ...script],
      ...["--run-dir", directory, "--state-dir", `${directory}/state`, "--listen", "127.0.0.1:0"],
      ...["--placement", VARIANT.placement ?? setup.placement],
      ...["--crypto", setup.crypto ?? VARIANT.crypto ?? "auto"],
      ...setup.args ?? [],
    ];
    const process = await topology.spawn(setup.netns ?? null, words, setup.env);
    const daemon = new Daemon(process, directory);
    await daemon.#ready(setup.readyTimeout ?? READY_TIMEOUT);
    // It stays in memory when the daemon is killed.
    const maps = await Deno.readTextFile(`/proc/${process.pid}/maps`);
    const [cells] = /\/dev\/shm\/vti-gateway-\w+/.exec(maps) ?? [];
    if (cells !== undefined) await topology.removeAtEnd(cells);
    return daemon;
  }

  async #ready(timeout: number): Promise<void> {
    const deadline = Date.now() + timeout;
    while (!this.process.ended && Date.now() < deadline) {
      const response = await this.http("GET", "/readyz").catch(() => null);
      if (response?.status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`Cannot use the daemon: not ready, it printed ${this.process.output}`);
  }

  /** A request over the unix socket; the body is read. */
  async http(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    using client = Deno.createHttpClient({
      proxy: { transport: "unix", path: `${this.runDir}/api.sock` },
    });
    const response = await fetch(`http://localhost${path}`, {
      client,
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json") ?? false;
    return { status: response.status, body: json ? JSON.parse(text) : text };
  }

  /** Runs the client with words as of `ip`, for a namespace; `""` in the text is an empty word. */
  tryIp(netns: string, text: string): Promise<Ran> {
    const words = text.trim().split(/\s+/).map((word) => word === '""' ? "" : word);
    return run([Deno.execPath(), "run", "-A", MOD, "--run-dir", this.runDir, "-n", netns, ...words]);
  }

  /** The same when it has to succeed; returns what it printed. */
  async ip(netns: string, text: string): Promise<string> {
    const { code, stdout, stderr } = await this.tryIp(netns, text);
    if (code !== 0) {
      const log = this.process.output.trim();
      throw new Error(
        `Cannot run "ip ${text}": exit code ${code}, ${stderr.trim()}; the daemon printed ${log}`,
      );
    }
    return stdout;
  }

  async link(netns: string, ifname: string): Promise<LinkInfo> {
    const { status, body } = await this.http("GET", `/v1/netns/${netns}/links/${ifname}`);
    if (status !== 200) throw new Error(`Cannot read link "${ifname}": status ${status}`);
    return body as LinkInfo;
  }

  /** Counters of /proc/net/xfrm_stat. */
  async xfrmStat(netns: string): Promise<Record<XfrmMib, number>> {
    const { status, body } = await this.http("GET", `/v1/netns/${netns}/xfrm/stat`);
    if (status !== 200) throw new Error(`Cannot read xfrm counters of "${netns}": status ${status}`);
    return body as Record<XfrmMib, number>;
  }

  /** Its workers, by its own account. */
  async workers(): Promise<readonly WorkerInfo[]> {
    const { body } = await this.http("GET", "/readyz");
    return (body as { workers: WorkerInfo[] }).workers;
  }

  /** How many workers it has replaced. */
  async restarts(): Promise<number> {
    return (await this.workers()).reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** Ends it, and takes its devices and its state away, as `stop --remove` does also when it has ended already. */
  async remove(): Promise<void> {
    const dirs = ["--run-dir", this.runDir, "--state-dir", `${this.runDir}/state`];
    await must([Deno.execPath(), "run", "-A", MOD, "stop", "--remove", ...dirs]);
  }

  stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    return this.process.stop(signal);
  }
}
