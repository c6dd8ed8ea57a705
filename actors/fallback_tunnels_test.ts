import assert from "node:assert/strict";
import { netHasFallbackTunnels } from "./fallback_tunnels.ts";

Deno.test("netHasFallbackTunnels() is the kernel's table", () => {
  const table = [0, 1, 2].map((setting) =>
    [true, false].map((first) => netHasFallbackTunnels(setting, first))
  );
  assert.deepEqual(table, [[true, true], [true, false], [false, false]]);
});
