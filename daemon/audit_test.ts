import assert from "node:assert/strict";
import { SA } from "../tests/doubles/api_requests.ts";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import { auditedForFile, auditLine } from "./audit.ts";

Deno.test("auditLine() is one line of JSON with the time", () => {
  const entry = {
    peer: { transport: "unix" },
    caller: "unix",
    method: "PUT",
    path: null,
    subject: {},
    status: 200,
  } as const;
  const line = auditLine(entry, new Date(0));
  assert.deepEqual(JSON.parse(line), { audit: { time: "1970-01-01T00:00:00.000Z", ...entry } });
  assert.ok(!line.includes("\n"));
});

Deno.test("auditedForFile() writes down what changes, and never a key", async () => {
  const lines: string[] = [];
  const gateway = auditedForFile(new GatewayDouble(), "/etc/gateway.toml", (line) => lines.push(line));
  await gateway.newlink("self", { ifname: "vti1", linkinfo: { info_kind: "vti" } });
  await gateway.changelink("self", "vti2", { mtu: 1400 }, true);
  await gateway.newState("self", SA as Parameters<typeof gateway.newState>[1]);
  await gateway.listStates("self", {}, true);
  gateway.health();
  const entries = lines.map((line) => JSON.parse(line).audit);
  assert.deepEqual(
    entries.map(({ method, subject, errno }) => [method, subject.ns, subject.ifname ?? subject.spi, errno]),
    [
      ["newlink", "self", "vti1", undefined],
      ["changelink", "self", "vti2", "ENODEV"],
      ["newState", "self", SA.spi, undefined],
    ],
  );
  assert.deepEqual(entries[0].peer, { transport: "file", path: "/etc/gateway.toml" });
  assert.doesNotMatch(lines.join(), /5ec7e7/);
});
