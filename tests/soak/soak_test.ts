import assert from "node:assert/strict";
import { soak } from "./soak.ts";

const SECONDS = 12;

Deno.test(`${SECONDS} s of traffic with new keys and links: flat, and every packet accounted for`, async () => {
  const report = await soak({
    seconds: SECONDS,
    rate: "100M",
    placement: "packed",
    datagrams: 1000,
    log: () => {},
  });
  assert.ok(report.rekeys >= SECONDS / 2, `${report.rekeys} rekeys`);
  assert.ok(report.packets > 1000 * SECONDS);
});
