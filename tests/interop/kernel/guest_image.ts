/**
 * The guest's kernel and initramfs: Debian's own kernel package, whose ip_vti, xfrm and esp4 modules are the original
 * of what the gateway does, and programs of this host.
 *
 * Needs Debian on x86-64 with apt-get, dpkg, lz4, busybox-static, iproute2, iputils-ping, perl-base, dash.
 */
import { must } from "../../doubles/topology.ts";
import { type CpioEntry, directory, file, newc, symlink } from "./newc.ts";

const META_PACKAGE = "linux-image-cloud-amd64";
const HERE = new URL(".", import.meta.url).pathname;
const EXECUTABLE = 0o755;

/** Loaded at boot with what they depend on; those that the kernel has built in are left out. */
const MODULES = [
  ...["virtio_pci", "virtio_net", "virtio_console", "dummy", "veth"],
  ...["ip_vti", "esp4", "ah4", "ipcomp", "xfrm4_tunnel", "xfrm_user"],
  ...[
    "authenc",
    "authencesn",
    "gcm",
    "ccm",
    "ctr",
    "cbc",
    "hmac",
    "cmac",
    "xcbc",
    "seqiv",
    "echainiv",
    "drbg",
  ],
  ...[
    "aesni_intel",
    "aes_generic",
    "ghash_generic",
    "chacha20poly1305",
    "chacha_generic",
    "poly1305_generic",
  ],
  ...[
    "sha1_generic",
    "sha256_generic",
    "sha512_generic",
    "md5",
    "rmd160",
    "des_generic",
    "blowfish_generic",
    "cast5_generic",
    "camellia_generic",
    "crypto_null",
    "deflate",
  ],
];
/** Programs of this host; the rest is busybox. busybox's own shell would prefer its own ip and ping. */
const PROGRAMS = ["ip", "ping", "perl"];

export interface GuestImage {
  /** Paths of files. */
  readonly kernel: string;
  readonly initramfs: string;
}

/** Makes the image, or finds it in the cache. Several processes may ask at once. */
export async function guestImage(): Promise<GuestImage> {
  const cache = `${Deno.env.get("XDG_CACHE_HOME") || "/var/cache"}/vti-gateway-kernel`;
  await Deno.mkdir(cache, { recursive: true });
  using lock = await Deno.open(`${cache}/lock`, { create: true, write: true });
  await lock.lock(true);
  const image = { kernel: `${cache}/kernel`, initramfs: `${cache}/initramfs.cpio` };
  const recipe = await recipeDigest();
  if (await Deno.readTextFile(`${cache}/made-by`).catch(() => "") === recipe) return image;
  const tree = await unpackKernelPackage(cache);
  try {
    await Deno.writeFile(image.kernel, await kernelOf(tree));
    await Deno.writeFile(image.initramfs, newc(await rootOf(tree)));
    await Deno.writeTextFile(`${cache}/made-by`, recipe);
  } finally {
    await Deno.remove(tree, { recursive: true });
  }
  return image;
}

/** Changes when this host's programs or the files here do. */
async function recipeDigest(): Promise<string> {
  const files = [
    "guest_image.ts",
    "newc.ts",
    "guest_init.sh",
    "guest_agent.pl",
    "guest_encap.pl",
    "guest_echo.pl",
    "guest_sniff.pl",
  ];
  const parts: string[] = await Promise.all(files.map((name) => Deno.readTextFile(HERE + name)));
  for (const program of [...PROGRAMS, "busybox", "dash"]) {
    const { size, mtime } = await Deno.stat(await pathOf(program));
    parts.push(`${program} ${size} ${mtime?.getTime()}`);
  }
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(parts.join("\0")));
  return new Uint8Array(digest).toHex();
}

/** Downloads the package unless the cache has it; returns a directory with its files. */
async function unpackKernelPackage(cache: string): Promise<string> {
  const inCache = () =>
    [...Deno.readDirSync(cache)].map((e) => e.name).filter((n) => n.endsWith(".deb")).sort();
  if (inCache().length === 0) {
    const depends = await must(["apt-cache", "depends", META_PACKAGE]);
    const name = depends.match(/Depends: (linux-image-\S+)/)?.[1];
    if (name === undefined) {
      throw new Error(`Cannot find the kernel package: ${META_PACKAGE} is not known here`);
    }
    const download = `cd "$1" && exec apt-get -q -o APT::Sandbox::User=root download "$2"`;
    await must(["sh", "-c", download, "sh", cache, name], { timeout: 120_000 });
  }
  const tree = await Deno.makeTempDir({ dir: cache });
  await must(["dpkg", "-x", `${cache}/${inCache().at(-1)}`, tree]);
  return tree;
}

/** The ELF kernel inside the bzImage: it boots without unpacking itself, which is slow under emulation. */
async function kernelOf(tree: string): Promise<Uint8Array> {
  const boot = [...Deno.readDirSync(`${tree}/boot`)].find(({ name }) => name.startsWith("vmlinuz-"))!;
  const image = await Deno.readFile(`${tree}/boot/${boot.name}`);
  const view = new DataView(image.buffer);
  // Documentation/x86/boot.rst: setup_sects at 0x1f1, payload_offset at 0x248, payload_length at 0x24c.
  const start = (image[0x1f1]! + 1) * 512 + view.getUint32(0x248, true);
  // The payload's last 4 bytes are its unpacked length.
  const payload = image.slice(start, start + view.getUint32(0x24c, true) - 4);
  const LZ4_LEGACY = 0x184c2102;
  if (new DataView(payload.buffer).getUint32(0, true) !== LZ4_LEGACY) return image;
  const lz4 = new Deno.Command("lz4", { args: ["-dc"], stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
  const [{ stdout }] = await Promise.all([lz4.output(), new Blob([payload]).stream().pipeTo(lz4.stdin)]);
  return stdout;
}

async function rootOf(tree: string): Promise<CpioEntry[]> {
  const root = new Root();
  for (const path of ["dev", "proc", "sys", "run", "tmp", "root"]) root.add(directory(path));
  for (const applet of (await must(["busybox", "--list"])).trim().split("\n")) {
    root.add(symlink(`bin/${applet}`, "/bin/busybox"));
  }
  await root.addProgram("busybox", "bin/busybox");
  await root.addProgram("dash", "bin/sh");
  for (const name of PROGRAMS) await root.addProgram(name, `bin/${name}`);
  root.add(symlink("usr/bin/perl", "/bin/perl"));
  root.add(file("init", EXECUTABLE, await Deno.readFile(`${HERE}guest_init.sh`)));
  root.add(file("agent", EXECUTABLE, await Deno.readFile(`${HERE}guest_agent.pl`)));
  root.add(file("encap", EXECUTABLE, await Deno.readFile(`${HERE}guest_encap.pl`)));
  root.add(file("echo", EXECUTABLE, await Deno.readFile(`${HERE}guest_echo.pl`)));
  root.add(file("sniff", EXECUTABLE, await Deno.readFile(`${HERE}guest_sniff.pl`)));
  for (const table of ["protocols", "iproute2/rt_protos", "iproute2/rt_scopes", "iproute2/rt_tables"]) {
    const bytes = await Deno.readFile(`/etc/${table}`).catch(() => null);
    if (bytes) root.add(file(`etc/${table}`, 0o644, bytes));
  }
  const modules = await loadOrder(tree);
  modules.forEach(({ name, bytes }) => root.add(file(`modules/${name}.ko`, 0o644, bytes)));
  const order = modules.map(({ name }) => `/modules/${name}.ko\n`).join("");
  root.add(file("etc/modules", 0o644, new TextEncoder().encode(order)));
  return root.entries();
}

/** Files by path, directories made as needed; what is added later replaces what was there. */
class Root {
  readonly #byPath = new Map<string, CpioEntry>();

  add(entry: CpioEntry): void {
    const parent = entry.path.split("/").slice(0, -1).join("/");
    if (parent !== "" && !this.#byPath.has(parent)) this.add(directory(parent));
    this.#byPath.set(entry.path, entry);
  }

  /** A program and the libraries that it is linked to. */
  async addProgram(name: string, path: string): Promise<void> {
    const source = await pathOf(name);
    this.add(file(path, EXECUTABLE, await Deno.readFile(source)));
    // ldd fails for a program that is linked statically.
    const { stdout } = await new Deno.Command("ldd", { args: [source], stderr: "null" }).output();
    for (const [, library] of new TextDecoder().decode(stdout).matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)) {
      this.add(file(library!.slice(1), EXECUTABLE, await Deno.readFile(library!)));
    }
  }

  entries(): CpioEntry[] {
    return [...this.#byPath.values()];
  }
}

async function pathOf(program: string): Promise<string> {
  return (await must(["sh", "-c", `PATH=/usr/sbin:/sbin:/usr/bin:/bin command -v "$1"`, "sh", program]))
    .trim();
}

interface Module {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The modules and what they depend on, each after what it needs. */
async function loadOrder(tree: string): Promise<Module[]> {
  const files = (await must(["find", `${tree}/lib/modules`, "-name", "*.ko"])).trim().split("\n");
  const paths = new Map(files.map((path) => [moduleName(path), path]));
  const builtin = await must([
    "find",
    `${tree}/lib/modules`,
    "-name",
    "modules.builtin",
    "-exec",
    "cat",
    "{}",
    "+",
  ]);
  const builtins = new Set(builtin.trim().split("\n").map(moduleName));
  const order = new Map<string, Module>();
  const visit = async (name: string) => {
    if (order.has(name) || builtins.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) {
      throw new Error(`Cannot make the guest: the kernel package has no module ${name}`);
    }
    const bytes = withoutSignature(await Deno.readFile(path));
    for (const dependency of dependenciesOf(bytes)) await visit(dependency);
    order.set(name, { name, bytes });
  };
  for (const name of MODULES) await visit(name);
  return [...order.values()];
}

function moduleName(path: string): string {
  return path.split("/").at(-1)!.replace(/\.ko$/, "").replaceAll("-", "_");
}

/** Section .modinfo is a list of "name=value", each ended by a NUL. */
function dependenciesOf(module: Uint8Array): string[] {
  const text = new TextDecoder("latin1").decode(module);
  return (text.match(/\0depends=([^\0]*)\0/)?.[1] ?? "").split(",").filter(Boolean).map(moduleName);
}

/** Checking signatures takes longer than all the rest of the boot; without one the module only taints the kernel. */
function withoutSignature(module: Uint8Array): Uint8Array {
  const MAGIC = "~Module signature appended~\n";
  // kernel/module_signature.c: signature, struct module_signature (12 bytes, the length last), magic.
  const end = module.length - MAGIC.length;
  if (new TextDecoder("latin1").decode(module.subarray(end)) !== MAGIC) return module;
  const length = new DataView(module.buffer, module.byteOffset + end - 4).getUint32(0);
  return module.subarray(0, end - 12 - length);
}
