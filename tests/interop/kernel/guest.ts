/**
 * A guest of QEMU that runs Debian's kernel with the original ip_vti, its network card a tap device in a namespace of
 * the test. Software emulation: for behaviour, not for speed.
 */
import { type Background, must, type Ran, type Topology } from "../../doubles/topology.ts";
import { guestImage } from "./guest_image.ts";

export interface GuestSetup {
  /** Namespace for the tap device. */
  readonly netns: string;
  /** Name for the tap device; the guest's end is eth0. */
  readonly device: string;
}

/** Milliseconds; it takes 3 s on an idle machine. */
const BOOT_LIMIT = 60_000;
/** Seconds that a command may take in the guest unless told. */
const COMMAND_LIMIT = 20;
const MEMORY_MB = 320;
const MAC = "52:54:00:00:00:02";

const KERNEL_WORDS = [
  ...["console=ttyS0", "quiet", "panic=1", "net.ifnames=0"],
  // What only costs time: checks of the CPU's flaws, self-tests of ciphers, calibration of an emulated clock.
  ...[
    "mitigations=off",
    "nokaslr",
    "cryptomgr.notests",
    "tsc=reliable",
    "no_timer_check",
    "random.trust_cpu=on",
  ],
  // Deleting a device waits for RCU.
  "rcupdate.rcu_expedited=1",
];

export class Guest implements Disposable {
  /** Link-layer address of its eth0. */
  readonly mac = MAC;
  readonly #process: Background;
  readonly #channel: Deno.UnixConn;
  readonly #directory: string;
  #pending = new Uint8Array();
  #id = 0;
  /** The request under way: the agent does one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(process: Background, channel: Deno.UnixConn, directory: string) {
    this.#process = process;
    this.#channel = channel;
    this.#directory = directory;
  }

  /** Boots; resolves when commands can run. The guest ends with the topology. */
  static async start(topology: Topology, { netns, device }: GuestSetup): Promise<Guest> {
    const image = await guestImage();
    await must(["ip", "-n", netns, "tuntap", "add", "dev", device, "mode", "tap"]);
    await must(["ip", "-n", netns, "link", "set", device, "up"]);
    const directory = await topology.directory();
    const process = await topology.spawn(netns, [
      ...["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
      ...[
        "-M",
        "pc",
        "-accel",
        "tcg,thread=single,tb-size=64",
        "-cpu",
        "max",
        "-smp",
        "1",
        "-m",
        `${MEMORY_MB}`,
      ],
      ...["-kernel", image.kernel, "-initrd", image.initramfs, "-append", KERNEL_WORDS.join(" ")],
      ...["-serial", `file:${directory}/console`, "-device", "virtio-serial-pci"],
      ...["-chardev", `socket,id=agent,path=${directory}/agent,server=on,wait=on`],
      ...["-device", "virtserialport,chardev=agent,name=agent"],
      // Without vnet_hdr whole packets with checksums travel, as on a wire.
      ...["-netdev", `tap,id=eth0,ifname=${device},script=no,downscript=no,vnet_hdr=off`],
      ...["-device", `virtio-net-pci,netdev=eth0,mac=${MAC}`],
    ]);
    const guest = new Guest(process, await connect(process, `${directory}/agent`), directory);
    await guest.#within(BOOT_LIMIT, guest.#line());
    return guest;
  }

  /** Runs a program; no shell reads the words. */
  run(words: readonly string[], seconds = COMMAND_LIMIT): Promise<Ran> {
    const answer = this.#last.then(() => this.#within((seconds + 10) * 1000, this.#ask(words, seconds)));
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** Runs a program that has to succeed; returns its standard output. */
  async must(words: readonly string[], seconds?: number): Promise<string> {
    const { code, stdout, stderr } = await this.run(words, seconds);
    if (code === 0) return stdout;
    throw new Error(
      `Cannot run "${words.join(" ")}" in the guest: exit code ${code}, ${(stderr || stdout).trim()}`,
    );
  }

  /** The same for iproute2's words; `""` in the text is an empty word. */
  ip(text: string): Promise<string> {
    return this.must(["ip", ...text.trim().split(/\s+/).map((word) => word === '""' ? "" : word)]);
  }

  /** Runs lines of shell; the first that fails ends them. */
  sh(lines: string, seconds?: number): Promise<string> {
    return this.must(["sh", "-ec", lines], seconds);
  }

  async #ask(words: readonly string[], seconds: number): Promise<Ran> {
    const body = new TextEncoder().encode(words.map((word) => `${word}\0`).join(""));
    const id = `${++this.#id}`;
    const head = new TextEncoder().encode(`RUN ${id} ${seconds} ${body.length}\n`);
    await this.#write(head);
    await this.#write(body);
    const [verb, answered, code, stdout, stderr] = (await this.#line()).split(" ");
    if (verb !== "RES" || answered !== id) {
      throw new Error(`Cannot read the guest's answer: ${verb} ${answered}`);
    }
    const text = async (length: string) => new TextDecoder().decode(await this.#take(Number(length)));
    return { code: Number(code), stdout: await text(stdout!), stderr: await text(stderr!) };
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#channel.write(bytes.subarray(at));
  }

  async #line(): Promise<string> {
    const NEWLINE = 10;
    while (!this.#pending.includes(NEWLINE)) await this.#more();
    const line = await this.#take(this.#pending.indexOf(NEWLINE) + 1);
    return new TextDecoder().decode(line).trimEnd();
  }

  async #take(length: number): Promise<Uint8Array> {
    while (this.#pending.length < length) await this.#more();
    const taken = this.#pending.subarray(0, length);
    this.#pending = this.#pending.slice(length);
    return taken;
  }

  async #more(): Promise<void> {
    const bytes = new Uint8Array(65536);
    const got = await this.#channel.read(bytes);
    if (got === null) throw new Error("the guest has ended");
    const all = new Uint8Array(this.#pending.length + got);
    all.set(this.#pending);
    all.set(bytes.subarray(0, got), this.#pending.length);
    this.#pending = all;
  }

  /** Fails, with what the guest's console says, when the guest does or takes too long. */
  async #within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`${milliseconds} ms passed`)), milliseconds);
    try {
      return await Promise.race([work, promise]);
    } catch (error) {
      const console = await Deno.readTextFile(`${this.#directory}/console`).catch(() => "");
      const said = `${this.#process.output}${console.slice(-4000)}`;
      throw new Error(`Cannot use the guest: ${(error as Error).message}, it said ${said}`);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

/** QEMU waits for this before it starts the guest, so the agent always finds somebody at the other end. */
async function connect(process: Background, path: string): Promise<Deno.UnixConn> {
  while (!process.ended) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  throw new Error(`Cannot start the guest: ${process.output.trim()}`);
}
