import assert from "node:assert/strict";
import { probeHost } from "./capabilities.ts";

Deno.test("probeHost() finds what the tests of this folder need, and leaves nothing behind", () => {
  const before = Deno.readTextFileSync("/proc/net/dev");
  const found = new Map(probeHost().map((capability) => [capability.name, capability]));
  const names = (text: string) => text.split("\n").map((line) => line.split(":")[0].trim()).sort();
  assert.deepEqual(names(Deno.readTextFileSync("/proc/net/dev")), names(before));
  for (const name of ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_ADMIN", "tun", "raw sockets", "rtnetlink"]) {
    assert.equal(found.get(name)?.ok, true, name);
    assert.equal(found.get(name)?.remedy, "", name);
    assert.equal(found.get(name)?.required, true, name);
  }
  assert.match(found.get("kernel")!.detail, /^Linux \d+\.\d+/);
});

Deno.test("probeHost() says what to do without rights", () => {
  const code = `
    import { probeHost } from "${new URL("./capabilities.ts", import.meta.url)}";
    console.log(JSON.stringify(probeHost()));
  `;
  // An unprivileged program: root without any capability.
  const args = [
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--ambient-caps=-all",
    Deno.execPath(),
    "run",
    "-A",
    "-",
  ];
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    Deno.writeTextFileSync(file, code);
    const { success, stdout, stderr } = new Deno.Command("setpriv", { args: [...args.slice(0, -1), file] })
      .outputSync();
    assert.ok(success, new TextDecoder().decode(stderr));
    const found = new Map<string, { ok: boolean; remedy: string }>(
      JSON.parse(new TextDecoder().decode(stdout)).map((entry: { name: string }) => [entry.name, entry]),
    );
    assert.equal(found.get("tun")!.ok, false);
    assert.match(found.get("tun")!.remedy, /CAP_NET_ADMIN/);
    assert.equal(found.get("raw sockets")!.ok, false);
    assert.match(found.get("raw sockets")!.remedy, /CAP_NET_RAW/);
    assert.equal(found.get("CAP_SYS_ADMIN")!.ok, false);
    assert.equal(found.get("rtnetlink")!.ok, true);
  } finally {
    Deno.removeSync(file);
  }
});
