/** The unit of packaging/, run by systemd itself. */
import assert from "node:assert/strict";
import { parseDaemonOptions } from "../../daemon/options.ts";
import { permissionFlags } from "../../daemon/permissions.ts";
import { USED } from "../../daemon/privileges.ts";
import { CAP_BITS } from "../../ffi/harden.ts";
import { SystemdHost } from "../doubles/systemd_host.ts";
import { must, Topology } from "../doubles/topology.ts";

const MOD = new URL("../../mod.ts", import.meta.url).pathname;
const UNIT = new URL("../../packaging/systemd/vti-gateway.service", import.meta.url);
const KEY = "0x5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e7beef";

/** Words behind "NAME=" in the unit, its continued lines joined. */
async function wordsOf(name: string): Promise<string[]> {
  const text = (await Deno.readTextFile(UNIT)).replaceAll("\\\n", " ");
  const line = new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
  return line.split(/\s+/).filter((word) => word !== "");
}

Deno.test("the unit gives Deno the permissions that doctor --permissions prints, and the capabilities that are used", async () => {
  const options = parseDaemonOptions([]);
  assert.ok(!("wrong" in options));
  const flags = permissionFlags(options, "/usr/lib/vti-gateway");
  const words = await wordsOf("ExecStart");
  assert.deepEqual(words.filter((word) => word.startsWith("--allow-") || word === "--no-prompt"), flags);
  assert.ok(!words.some((word) => word === "-A" || word === "--allow-all"));
  for (const name of ["CapabilityBoundingSet", "AmbientCapabilities"]) {
    assert.deepEqual((await wordsOf(name)).sort(), [...USED].sort(), name);
  }
});

Deno.test("no code of the daemon reads /proc, /sys or /dev by Deno, which would want --allow-all", () => {
  const root = new URL("../../", import.meta.url);
  const sources = ["ffi", "actors", "daemon", "api"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(folder, root))].map(({ name }) => `${folder}/${name}`)
  ).filter((path) => path.endsWith(".ts") && !/_test\.ts$|fixture|demo/.test(path));
  assert.ok(sources.length > 80);
  const reading = /Deno\.\w+\(["'`]\/(proc|sys|dev)\//;
  const wrong = sources.filter((path) => reading.test(Deno.readTextFileSync(new URL(path, root))));
  assert.deepEqual(wrong, [], "ffi/proc_file.ts reads such files");
});

Deno.test("under systemd, with the native code that doctor found, the unit serves, reloads, and is restarted when it hangs", async (t) => {
  await using topology = new Topology();
  const printed = await must([Deno.execPath(), "run", "-A", MOD, "doctor", "--permissions"]);
  const native = /^ExecPaths=(.*)$/m.exec(printed)![1]!.replace(Deno.execPath(), "/opt/deno");
  assert.match(native, /\/libc\.so\.6\b.*\/libcrypto\.so\.3\b/);
  await using host = await SystemdHost.start(
    topology,
    `WatchdogSec=2\nExecPaths=\nExecPaths=${native} /usr/bin/kill`,
  );
  const mainPid = async () => {
    const { MainPID } = await host.properties("MainPID");
    assert.notEqual(MainPID, "0", `the unit does not run: ${await host.output()}`);
    return Number(MainPID);
  };

  await t.step("it says that it is ready", async () => {
    const { ActiveState, StatusText } = await host.properties("ActiveState", "StatusText");
    assert.equal(ActiveState, "active", await host.output());
    assert.match(StatusText!, /^(packed|isolated), (ipsec-mb|libcrypto|noble)$/);
  });

  await t.step(
    "it is not root, has the capabilities that it uses, a filter of system calls and no core",
    async () => {
      const status = await host.must(["cat", `/proc/${await mainPid()}/status`]);
      const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];
      const used = USED.reduce((bits, name) => bits | 1 << CAP_BITS[name], 0).toString(16).padStart(16, "0");
      assert.deepEqual(
        ["Uid", "CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"].map(field),
        ["61234", used, used, used, "0".repeat(16), "1", "2"],
      );
      const limits = await host.must(["cat", `/proc/${await mainPid()}/limits`]);
      assert.match(limits, /^Max core file size +0 +0/m);
    },
  );

  await t.step("packets go through a tunnel between two namespaces", async () => {
    const wire = ["veth0", "netns", "a", "type", "veth", "peer", "name", "veth0", "netns", "b"];
    for (const name of ["a", "b"]) await host.must(["ip", "netns", "add", name]);
    await host.must(["ip", "link", "add", ...wire]);
    const ends = [["a", 1, 2], ["b", 2, 1]] as const;
    for (const [netns, here, there] of ends) {
      await host.must(["ip", "-n", netns, "address", "add", `192.0.2.${here}/24`, "dev", "veth0"]);
      await host.must(["ip", "-n", netns, "link", "set", "veth0", "up"]);
      const outer = `local 192.0.2.${here} remote 192.0.2.${there}`;
      await host.ip(`-n ${netns} link add vti1 type vti ${outer} key 7`);
      for (const [src, dst, dir, spi] of [[here, there, "out", here], [there, here, "in", there]] as const) {
        const way = `src 192.0.2.${src} dst 192.0.2.${dst}`;
        const id = `${way} proto esp spi 0x100${spi} mark 7 mode tunnel replay-window 32 flag af-unspec`;
        await host.ip(`-n ${netns} xfrm state add ${id} aead rfc4106(gcm(aes)) ${KEY} 128`);
        const any = "src 0.0.0.0/0 dst 0.0.0.0/0";
        await host.ip(
          `-n ${netns} xfrm policy add ${any} dir ${dir} mark 7 tmpl ${way} proto esp mode tunnel`,
        );
      }
      await host.must(["ip", "-n", netns, "address", "add", `10.9.0.${here}/30`, "dev", "vti1"]);
      await host.must(["ip", "-n", netns, "link", "set", "vti1", "up"]);
    }
    await host.must(["ip", "netns", "exec", "a", "ping", "-c", "3", "-i", "0.1", "-W", "2", "10.9.0.2"]);
    const links = JSON.parse(await host.ip("-n a -s -j link show dev vti1")) as {
      stats64: { tx: { packets: number } };
    }[];
    assert.equal(links[0]!.stats64.tx.packets, 3, "the pings went another way");
  });

  await t.step("a process's own namespace is served by its number", async () => {
    assert.match(
      await host.must([
        "ip",
        "netns",
        "exec",
        "a",
        "/opt/deno",
        "run",
        "-A",
        "/opt/vti-gateway/mod.ts",
        "link",
      ]),
      /vti1/,
    );
  });

  await t.step("keys are stored sealed with the unit's credential", async () => {
    const [stored] = await Promise.all([
      host.must(["grep", "-c", "-a", "-r", "-F", "rfc4106(gcm(aes))", "/var/lib/vti-gateway"]),
      assert.rejects(host.must(["grep", "-a", "-r", "-i", "5ec7e7", "/var/lib/vti-gateway", "/dev/shm"])),
    ]);
    assert.match(stored, /:[1-9]/, "nothing is stored there");
    const hex = KEY.slice(2).match(/../g)!.map((byte) => `\\x${byte}`).join("");
    await assert.rejects(host.must(["grep", "-a", "-r", "-P", hex, "/var/lib/vti-gateway", "/dev/shm"]));
    assert.doesNotMatch(await host.output(), /unsealed/);
  });

  await t.step(
    "neither keys nor denied permissions are in what it printed, its arguments or variables",
    async () => {
      assert.doesNotMatch(await host.output(), /5ec7e7|NotCapable|Requires|Permission denied|EPERM|ENOSYS/);
      const pid = await mainPid();
      const shown = await host.must(["cat", `/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
      assert.match(shown, /CREDENTIALS_DIRECTORY/);
      assert.doesNotMatch(shown, /5ec7e7/i);
    },
  );

  await t.step("it can write nothing but its own folders, and runs no other code", async () => {
    const inside = (script: string) =>
      mainPid().then((pid) =>
        host.run(["nsenter", "--target", `${pid}`, "--mount", "--", "sh", "-c", script])
      );
    for (const place of ["/etc", "/usr", "/opt", "/run", "/run/netns", "/var/lib", "/home"]) {
      const { stderr } = await inside(`: > ${place}/probe`);
      assert.match(stderr, /Read-only file system|Permission denied|nonexistent|cannot create/, place);
    }
    assert.equal((await inside("id")).code, 126, "a program outside of ExecPaths= ran");
  });

  await t.step("SIGHUP by systemctl reload does not end it", async () => {
    const before = await mainPid();
    await host.must(["systemctl", "reload", "vti-gateway"]);
    assert.equal(await mainPid(), before);
    assert.match(await host.ip("-n a link show dev vti1"), /vti1/);
  });

  await t.step("a hanging daemon misses the watchdog and is started anew", async () => {
    assert.equal((await host.properties("NRestarts")).NRestarts, "0", await host.output());
    await host.must(["systemctl", "kill", "--kill-who=main", "--signal=STOP", "vti-gateway"]);
    const deadline = Date.now() + 20_000;
    let last: Record<string, string> = {};
    while (last.NRestarts !== "1" || last.ActiveState !== "active") {
      assert.ok(Date.now() < deadline, JSON.stringify(last));
      await new Promise((resolve) => setTimeout(resolve, 100));
      last = await host.properties("NRestarts", "ActiveState");
    }
  });

  await t.step("systemctl stop ends it well", async () => {
    await host.must(["systemctl", "stop", "vti-gateway"]);
    const { Result, ExecMainStatus } = await host.properties("Result", "ExecMainStatus");
    assert.deepEqual([Result, ExecMainStatus], ["success", "0"], await host.output());
  });
});
