import assert from "node:assert/strict";
import { datagramSocket } from "../tests/doubles/datagram_socket.ts";
import { ServiceManager } from "./systemd.ts";

const address = `@vti-gateway-systemd-test-${Deno.pid}`;

function environment(variables: Record<string, string>): (name: string) => string | undefined {
  return (name) => variables[name];
}

Deno.test("ServiceManager tells that the daemon is ready, lives and stops", async () => {
  using there = datagramSocket(address);
  using manager = new ServiceManager(environment({ NOTIFY_SOCKET: address, WATCHDOG_USEC: "20000" }));
  manager.ready("packed, noble");
  assert.equal(there.receive(), "READY=1\nSTATUS=packed, noble");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(there.receive(), "WATCHDOG=1");
  assert.equal(there.receive(), "WATCHDOG=1");
  manager.stopping();
  let last = "";
  while (last !== "STOPPING=1") last = there.receive();
});

Deno.test("ServiceManager feeds no watchdog that nobody set", async () => {
  using there = datagramSocket(address);
  using manager = new ServiceManager(environment({ NOTIFY_SOCKET: address }));
  manager.ready("x");
  await new Promise((resolve) => setTimeout(resolve, 50));
  manager.stopping();
  assert.deepEqual([there.receive(), there.receive()], ["READY=1\nSTATUS=x", "STOPPING=1"]);
});

Deno.test("ServiceManager is silent outside of systemd, and says when its socket is not there", () => {
  for (const variables of [{}, { NOTIFY_SOCKET: "" }] as Record<string, string>[]) {
    using manager = new ServiceManager(environment(variables));
    manager.ready("x");
    manager.stopping();
  }
  assert.throws(() => new ServiceManager(environment({ NOTIFY_SOCKET: "/nowhere/notify" })), /ENOENT/);
});
