/**
 * systemd as the first process of namespaces of its own, with the unit of packaging/ installed: what the unit forbids
 * is really forbidden. It has a copy of the host's files that lives in memory, and one control group that goes at the
 * end.
 */
import { type Background, must, type Ran, run, type Topology } from "./topology.ts";

export const SYSTEMD = "/usr/lib/systemd/systemd";
const ROOT = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const UNIT = "vti-gateway.service";
const UNIT_TIMEOUT_MS = 30_000;

/** What the unit gets as its credential, in hex. */
export const STATE_KEY = "5ec7e7".repeat(11).slice(0, 64);

/** Where the test has what the unit takes from /usr. */
const PLACES = [
  ["/usr/bin/deno", "/opt/deno"],
  ["/usr/lib/vti-gateway/.deno", "/opt/deno-dir"],
  ["/usr/lib/vti-gateway", "/opt/vti-gateway"],
] as const;

export class SystemdHost {
  private constructor(
    readonly directory: string,
    readonly process: Background,
    /** Process id of systemd, as the test sees it. */
    readonly pid: number,
    readonly group: string,
  ) {}

  /** Starts it; resolves when the unit has said that it is ready, or has failed. `dropIn` is added to the unit. */
  static async start(topology: Topology, dropIn = ""): Promise<SystemdHost> {
    const directory = await topology.directory();
    const deno = JSON.parse(await must([Deno.execPath(), "info", "--json"])) as { denoDir: string };
    const text = await Deno.readTextFile(`${ROOT}/packaging/systemd/${UNIT}`);
    const unit = PLACES.reduce((unit, [from, to]) => unit.replaceAll(from, to), text);
    await Deno.writeTextFile(`${directory}/${UNIT}`, unit);
    await Deno.writeTextFile(
      `${directory}/drop-in.conf`,
      // Nothing but the unit is to start: no mounts, no tmpfiles.
      `[Unit]\nDefaultDependencies=no\n[Service]\nStandardOutput=append:${directory}/out\nStandardError=append:${directory}/out\n${dropIn}\n`,
    );
    await Deno.writeTextFile(`${directory}/out`, "");
    await Deno.writeTextFile(`${directory}/boot`, bootScript(directory, deno.denoDir));
    const group = `${await cgroup2()}/${directory.split("/").at(-1)}`;
    await Deno.mkdir(group, { recursive: true });
    // The group is entered first, so that it is the root of the new namespace of groups.
    const namespaces = ["--pid", "--fork", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--kill-child"];
    const enter = `echo $$ > ${group}/cgroup.procs; exec unshare ${
      namespaces.join(" ")
    } sh ${directory}/boot`;
    const process = await topology.spawn(null, ["sh", "-c", enter]);
    const host = new SystemdHost(directory, process, await childOf(process), group);
    try {
      await host.#settled();
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
    return host;
  }

  /** Runs a command inside, as root. */
  run(words: readonly string[]): Promise<Ran> {
    return run(["nsenter", "--target", `${this.pid}`, "--all", "--", ...words]);
  }

  async must(words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(words);
    if (code === 0) return stdout;
    throw new Error(
      `Cannot run "${words.join(" ")}": exit code ${code}, ${stderr.trim()}; ${await this.output()}`,
    );
  }

  /** The client, with words as of `ip`. */
  ip(text: string): Promise<string> {
    return this.must(["/opt/deno", "run", "-A", "/opt/vti-gateway/mod.ts", ...text.split(" ")]);
  }

  /** Properties of the unit. */
  async properties(...names: string[]): Promise<Record<string, string>> {
    const text = await this.must(["systemctl", "show", UNIT, `--property=${names.join(",")}`]);
    return Object.fromEntries(text.trim().split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2)));
  }

  /** What the unit has printed. */
  output(): Promise<string> {
    return Deno.readTextFile(`${this.directory}/out`);
  }

  async #settled(): Promise<void> {
    const deadline = Date.now() + UNIT_TIMEOUT_MS;
    for (;;) {
      const { stdout } = await this.run(["systemctl", "is-active", UNIT]);
      const state = stdout.trim();
      if (state === "active" || state === "failed") return;
      if (this.process.ended || Date.now() > deadline) {
        throw new Error(
          `Cannot start the unit: it is "${state}"; ${this.process.output}; ${await this.output()}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop("SIGKILL");
    // A group can be removed once the last process in it is gone.
    const remove = `find ${this.group} -depth -type d -exec rmdir {} + 2>/dev/null`;
    await must(["sh", "-c", `for i in $(seq 100); do ${remove} && exit 0; sleep 0.05; done; exit 1`]);
  }
}

/**
 * The root is a copy that keeps its changes in memory: systemd empties /tmp, writes to /etc and mounts as it likes. The
 * modes of devices are those that udev gives them.
 */
function bootScript(directory: string, denoDir: string): string {
  return `set -e
mount --make-rprivate /
mkdir ${directory}/layer
mount -t tmpfs tmpfs ${directory}/layer
root=${directory}/layer/root
mkdir $root ${directory}/layer/upper ${directory}/layer/work
mount -t overlay overlay -o lowerdir=/,upperdir=${directory}/layer/upper,workdir=${directory}/layer/work $root
mkdir -p $root${directory}
mount --bind ${directory} $root${directory}
for place in dev run var/lib opt; do mount -t tmpfs tmpfs $root/$place; done
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mkdir -m 1777 $root/dev/shm
mkdir $root/dev/net
while read node major minor; do mknod -m 666 $root/dev/$node c $major $minor; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
END
mkdir -p $root/opt/deno-dir $root/opt/vti-gateway $root/run/systemd/system/${UNIT}.d
touch $root/opt/deno
mount --bind ${Deno.execPath()} $root/opt/deno
mount --bind ${ROOT} $root/opt/vti-gateway
mount --bind ${denoDir} $root/opt/deno-dir
echo vti-gateway:x:61234:61234::/:/usr/sbin/nologin >> $root/etc/passwd
echo vti-gateway:x:61234: >> $root/etc/group
mkdir -p $root/etc/credstore
(umask 077; echo ${STATE_KEY} > $root/etc/credstore/vti-gateway.state-key)
cp ${directory}/${UNIT} $root/run/systemd/system/
cp ${directory}/drop-in.conf $root/run/systemd/system/${UNIT}.d/
printf '[Unit]\\nDefaultDependencies=no\\nWants=${UNIT}\\n' > $root/run/systemd/system/test.target
mkdir $root/old
cd $root
pivot_root . old
umount -l old
cd /
mount --make-rshared /
ip link set lo up
container=test exec ${SYSTEMD} --system --unit=test.target --log-target=console --show-status=no
`;
}

async function cgroup2(): Promise<string> {
  const mounts = await Deno.readTextFile("/proc/self/mounts");
  const [, place] = /^\S+ (\S+) cgroup2 /m.exec(mounts) ?? [];
  if (place === undefined) throw new Error("Cannot start systemd: no cgroup2 is mounted");
  return place;
}

/** The only child of a process that is about to have one. */
async function childOf(process: Background): Promise<number> {
  for (;;) {
    const path = `/proc/${process.pid}/task/${process.pid}/children`;
    const [child] = (await Deno.readTextFile(path)).split(" ").filter(Boolean);
    if (child !== undefined) return Number(child);
    if (process.ended) throw new Error(`Cannot start systemd: ${process.output}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
