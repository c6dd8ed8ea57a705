import assert from "node:assert/strict";
import { parseDaemonOptions } from "./options.ts";
import { permissionFlags } from "./permissions.ts";

function flagsOf(...args: string[]): Record<string, string[]> {
  const options = parseDaemonOptions(args);
  assert.ok(!("wrong" in options));
  const flags = permissionFlags(options, "/program");
  return Object.fromEntries(flags.map((flag) => {
    const [name, list] = flag.split("=");
    return [name!, list?.split(",") ?? []];
  }));
}

Deno.test("permissionFlags() allows the directories, sockets and files that the options name, and nothing more", () => {
  const flags = flagsOf(
    ...["--run-dir", "/r", "--state-dir", "/s", "--listen", "[::1]:0", "--config", "/c.toml"],
    ...["--tls-cert", "/cert", "--tls-key", "/key"],
  );
  for (const path of ["/program", "/r", "/s", "/c.toml", "/cert", "/key"]) {
    assert.ok(flags["--allow-read"]!.includes(path), path);
  }
  assert.deepEqual(flags["--allow-write"], ["/r", "/s"]);
  assert.deepEqual(flags["--allow-net"], ["[::1]", "unix:/r/api.sock"]);
  assert.ok(!("--allow-all" in flags) && !("--allow-run" in flags));
});

Deno.test("permissionFlags() allows the one port that is listened on", () => {
  assert.deepEqual(flagsOf("--listen", "10.0.0.1:443")["--allow-net"], [
    "10.0.0.1:443",
    "unix:/run/vti-gateway/api.sock",
  ]);
});
