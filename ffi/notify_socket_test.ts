import assert from "node:assert/strict";
import { datagramSocket } from "../tests/doubles/datagram_socket.ts";
import { SyscallError } from "./errno.ts";
import { NotifySocket } from "./notify_socket.ts";

Deno.test("send() reaches a socket with a path and one without", async () => {
  const dir = await Deno.makeTempDir({ prefix: "vti-gateway-notify-" });
  try {
    for (const address of [`${dir}/notify`, `@vti-gateway-test-${Deno.pid}`]) {
      using there = datagramSocket(address);
      using socket = new NotifySocket(address);
      socket.send("READY=1", "STATUS=it forwards");
      assert.equal(there.receive(), "READY=1\nSTATUS=it forwards");
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a manager that is not there is an error at first, and none later", () => {
  assert.throws(() => new NotifySocket("/nowhere/notify"), SyscallError);
  assert.throws(() => new NotifySocket(`/${"x".repeat(108)}`), /longer than 107 bytes/);
  const address = `@vti-gateway-gone-${Deno.pid}`;
  const there = datagramSocket(address);
  using socket = new NotifySocket(address);
  there[Symbol.dispose]();
  socket.send("WATCHDOG=1");
});
