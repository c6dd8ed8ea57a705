import assert from "node:assert/strict";
import { parseDaemonOptions } from "./options.ts";

Deno.test("parseDaemonOptions() has the documented defaults", () => {
  assert.deepEqual(parseDaemonOptions([]), {
    placement: "auto",
    crypto: "auto",
    carrier: "always",
    listen: { hostname: "127.0.0.1", port: 8470 },
    stateDir: "/var/lib/vti-gateway",
    runDir: "/run/vti-gateway",
  });
});

Deno.test("parseDaemonOptions() says which word is wrong and what was expected", () => {
  for (
    const [args, word] of [
      [["--placement", "spread"], "packed"],
      [["--crypto", "rot13"], "libcrypto"],
      [["--carrier", "off"], "always, sa"],
      [["--listen", "8470"], "HOST:PORT"],
      [["--listen", "127.0.0.1:99999"], "HOST:PORT"],
      [["--colour"], "--colour"],
      [["--config"], "--config"],
      [["--tls-cert", "c.pem"], "--tls-key"],
      [["--tls-key", "k.pem"], "--tls-cert"],
      [["now"], "now"],
    ] as const
  ) {
    const read = parseDaemonOptions(args);
    assert.ok("wrong" in read && read.wrong.includes(word), JSON.stringify([args, read]));
  }
});

Deno.test("parseDaemonOptions() reads an IPv6 host", () => {
  const read = parseDaemonOptions(["--listen", "[::1]:0"]);
  assert.ok(!("wrong" in read));
  assert.deepEqual(read.listen, { hostname: "::1", port: 0 });
});

Deno.test("parseDaemonOptions() takes certificate and key together", () => {
  const read = parseDaemonOptions(["--listen", "0.0.0.0:443", "--tls-cert", "c.pem", "--tls-key", "k.pem"]);
  assert.ok(!("wrong" in read));
  assert.deepEqual(read.tls, { certFile: "c.pem", keyFile: "k.pem" });
});
