/**
 * Network namespaces joined by veth pairs, made for one test and taken away after it.
 *
 * A guard, a shell that reads from a pipe, is told of every namespace, process and directory. When the pipe closes it
 * removes them: because the topology was disposed of, or because this process died, by whatever signal. It has its own
 * session, so what ends the process group does not end it.
 *
 * Namespaces are named vtt<pid>x<count>-<label>; nothing else on the host is touched.
 */

import { VARIANT, withoutOffloads } from "./variant.ts";

/** How long a process gets to end by itself after SIGTERM, milliseconds. */
const TERM_GRACE_MS = 3000;

/** Reads "netns NAME", "pid PID", "ended PID", "dir PATH" a line; cleans up at the end of its input. */
const GUARD = `
trap '' INT TERM HUP
netns= pids= dirs=
while read -r what name; do
  case $what in
    netns) netns="$netns $name" ;;
    pid) pids="$pids $name" ;;
    ended) left=; for pid in $pids; do [ $pid = $name ] || left="$left $pid"; done; pids=$left ;;
    dir) dirs="$dirs $name" ;;
  esac
done
for pid in $pids; do kill $pid; done 2>/dev/null
for pid in $pids; do
  tries=0
  while kill -0 $pid && [ $tries -lt ${TERM_GRACE_MS / 100} ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -9 $pid
done 2>/dev/null
for name in $netns; do
  for pid in $(ip netns pids $name); do kill -9 $pid; done
  ip netns del $name
done 2>/dev/null
[ -z "$dirs" ] || rm -rf $dirs
`;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  /** Milliseconds until the command is killed; 30 s unless told. */
  readonly timeout?: number;
}

/** Runs a command to its end; a failing exit code is a value. */
export async function run(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.env ? { env: options.env } : {}),
  }).spawn();
  const timer = setTimeout(() => killQuietly(child.pid, "SIGKILL"), options.timeout ?? 30_000);
  try {
    if (options.stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(options.stdin));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a command that has to succeed; returns its standard output. */
export async function must(words: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(words, options);
  if (code !== 0) {
    throw new Error(`Cannot run "${words.join(" ")}": exit code ${code}, ${(stderr || stdout).trim()}`);
  }
  return stdout;
}

/** A process that runs beside the test, with what it has printed so far. */
export class Background {
  readonly pid: number;
  readonly status: Promise<Deno.CommandStatus>;
  ended = false;
  /** Standard output and standard error, as they came. */
  output = "";
  readonly #watchers = new Set<() => void>();
  readonly #readers: Promise<void>[];

  constructor(words: readonly string[], env: Record<string, string> = {}) {
    const child = new Deno.Command(words[0]!, {
      args: words.slice(1),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env,
    }).spawn();
    this.pid = child.pid;
    this.status = child.status.then((status) => {
      this.ended = true;
      this.#notify();
      return status;
    });
    this.#readers = [this.#collect(child.stdout), this.#collect(child.stderr)];
  }

  async #collect(stream: ReadableStream<Uint8Array>) {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.output += text;
      this.#notify();
    }
  }

  #notify() {
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves when the output matches; rejects when the process ends before or `timeout` ms pass. */
  async printed(pattern: RegExp, timeout = 10_000): Promise<RegExpMatchArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpMatchArray>();
    const look = () => {
      const match = this.output.match(pattern);
      if (match) resolve(match);
      else if (this.ended) reject(new Error(`Cannot wait for ${pattern}: process ended, ${this.output}`));
    };
    const timer = setTimeout(
      () => reject(new Error(`Cannot wait for ${pattern}: ${timeout} ms passed, ${this.output}`)),
      timeout,
    );
    this.#watchers.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  /** Calls `look` whenever there is more output, until disposed of. */
  watch(look: () => void): Disposable {
    this.#watchers.add(look);
    return { [Symbol.dispose]: () => this.#watchers.delete(look) };
  }

  /** Sends a signal and waits for the end; SIGKILL after `grace` ms. */
  async stop(signal: Deno.Signal = "SIGTERM", grace = TERM_GRACE_MS): Promise<Deno.CommandStatus> {
    if (!this.ended) killQuietly(this.pid, signal);
    const timer = setTimeout(() => killQuietly(this.pid, "SIGKILL"), grace);
    const status = await this.status;
    clearTimeout(timer);
    await Promise.all(this.#readers);
    return status;
  }
}

export interface VethEnd {
  readonly netns: string;
  readonly ifname: string;
  /** With prefix length, IPv4 or IPv6. */
  readonly addresses: readonly string[];
}

export class Topology implements AsyncDisposable {
  static #count = 0;
  readonly #prefix = `vtt${Deno.pid}x${++Topology.#count}`;
  readonly #background: Background[] = [];
  readonly #guard = new Deno.Command("setsid", { args: ["sh", "-c", GUARD], stdin: "piped" }).spawn();
  readonly #tellGuard = this.#guard.stdin.getWriter();

  /** Makes a namespace with its loopback up and without the kernel's own IPv6 chatter; returns its name. */
  async addNetns(label: string): Promise<string> {
    const name = `${this.#prefix}-${label}`;
    await this.#tell("netns", name);
    await must(["ip", "netns", "add", name]);
    await must(["ip", "-n", name, "link", "set", "lo", "up"]);
    await this.sysctl(name, {
      // Router solicitations and listener reports would count as tunnel traffic that no test sent.
      "net/ipv6/conf/default/addr_gen_mode": 1,
      "net/ipv6/conf/default/router_solicitations": 0,
      "net/ipv6/conf/default/accept_dad": 0,
      // A test that pings in a loop must not meet the kernel's limit of one ICMP error a second.
      "net/ipv4/icmp_ratelimit": 0,
      "net/ipv6/icmp/ratelimit": 0,
    });
    return name;
  }

  /** Joins two namespaces by a veth pair that is up and has the addresses. */
  async veth(a: VethEnd, b: VethEnd, mtu = 1500): Promise<void> {
    const peer = ["peer", "name", b.ifname, "netns", b.netns, "mtu", `${mtu}`];
    await must(["ip", "-n", a.netns, "link", "add", a.ifname, "mtu", `${mtu}`, "type", "veth", ...peer]);
    // Both up before any address: otherwise the first neighbour solicitation is lost, and with it a second.
    for (const end of [a, b]) await must(["ip", "-n", end.netns, "link", "set", end.ifname, "up"]);
    for (const end of [a, b]) {
      if (VARIANT.offloads === "off") await this.must(end.netns, withoutOffloads(end.ifname));
      await this.addresses(end);
    }
  }

  async addresses({ netns, ifname, addresses }: VethEnd): Promise<void> {
    for (const address of addresses) {
      const nodad = address.includes(":") ? ["nodad"] : [];
      await must(["ip", "-n", netns, "addr", "add", address, "dev", ifname, ...nodad]);
    }
  }

  /** Sets values below /proc/sys of a namespace. */
  async sysctl(netns: string, values: Record<string, number>): Promise<void> {
    const script = Object.entries(values).map(([key, value]) => `echo ${value} > /proc/sys/${key}`);
    await this.must(netns, ["sh", "-ec", script.join("\n")]);
  }

  exec(netns: string, words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run(["ip", "netns", "exec", netns, ...words], options);
  }

  must(netns: string, words: readonly string[], options: RunOptions = {}): Promise<string> {
    return must(["ip", "netns", "exec", netns, ...words], options);
  }

  /** Starts a process in a namespace, or beside the test when `netns` is null; it ends with the topology. */
  async spawn(
    netns: string | null,
    words: readonly string[],
    env: Record<string, string> = {},
  ): Promise<Background> {
    const child = new Background(netns === null ? words : ["ip", "netns", "exec", netns, ...words], env);
    this.#background.push(child);
    await this.#tell("pid", `${child.pid}`);
    child.status.then(() => this.#tell("ended", `${child.pid}`)).catch(() => {});
    return child;
  }

  /** A directory that is removed with the topology. */
  async directory(): Promise<string> {
    const path = await Deno.makeTempDir({ prefix: `${this.#prefix}-` });
    await this.#tell("dir", path);
    return path;
  }

  /** Has a file or directory removed with the topology that something else made. */
  async removeAtEnd(path: string): Promise<void> {
    await this.#tell("dir", path);
  }

  async #tell(what: "netns" | "pid" | "ended" | "dir", name: string): Promise<void> {
    await this.#tellGuard.write(new TextEncoder().encode(`${what} ${name}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#background.map((child) => child.stop()));
    await this.#tellGuard.close();
    await this.#guard.status;
  }
}

function killQuietly(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}
