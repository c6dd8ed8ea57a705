import assert from "node:assert/strict";
import { mixed } from "../soak/mixed.ts";

Deno.test("200 tunnels in 10 namespaces change at random under traffic: nothing goes astray, nothing is left", async () => {
  const { changes, datagrams } = await mixed({
    placement: "packed",
    namespaces: 10,
    tunnelsEach: 20,
    seconds: 4,
    times: 2,
    seed: 1,
    log: () => {},
  });
  assert.ok(changes > 10 && datagrams > 1000, `${changes} changes, ${datagrams} datagrams`);
});

Deno.test("the same of 16 tunnels in 2 namespaces with a worker for each actor", async () => {
  const { changes } = await mixed({
    placement: "isolated",
    namespaces: 2,
    tunnelsEach: 8,
    seconds: 3,
    times: 2,
    seed: 2,
    log: () => {},
  });
  assert.ok(changes > 5, `${changes} changes`);
});
