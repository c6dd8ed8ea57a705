import assert from "node:assert/strict";
import { GatewayDouble } from "../tests/doubles/gateway_double.ts";
import { createApp } from "./app.ts";

/** Opens the stream and returns a reader of whole blocks. */
async function listen(gateway: GatewayDouble, headers: Record<string, string> = {}) {
  const closing = new AbortController();
  const app = createApp(gateway, { origin: "unix", closing: closing.signal });
  const response = await app.request("/v1/events", { headers });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  /** The next block that is no comment; null at the end. */
  async function next(): Promise<string | null> {
    for (;;) {
      const end = pending.indexOf("\n\n");
      if (end < 0) {
        const { value, done } = await reader.read();
        if (done) return null;
        pending += value;
        continue;
      }
      const block = pending.slice(0, end);
      pending = pending.slice(end + 2);
      if (!block.startsWith(":")) return block;
    }
  }
  return { closing, reader, next };
}

Deno.test("events come as they happen, with id, kind and JSON", async () => {
  const gateway = new GatewayDouble();
  gateway.tell("newlink", { ifname: "old" });
  const { closing, next } = await listen(gateway);
  gateway.tell("dellink", { ifname: "vti1", note: "line\nbreak" });
  const lines = (await next())!.split("\n");
  assert.deepEqual(lines.slice(0, 2), ["id: 2", "event: dellink"]);
  assert.deepEqual(JSON.parse(lines[2]!.slice("data: ".length)), gateway.eventLog[1]);
  assert.equal(lines.length, 3);
  closing.abort();
  assert.equal(await next(), null);
});

Deno.test("Last-Event-ID brings first what was missed", async () => {
  const gateway = new GatewayDouble();
  for (let i = 0; i < 3; i++) gateway.tell("newlink", {});
  const { closing, next } = await listen(gateway, { "last-event-id": "1" });
  assert.match((await next())!, /^id: 2\n/);
  assert.match((await next())!, /^id: 3\n/);
  gateway.tell("dellink", {});
  assert.match((await next())!, /^id: 4\n/);
  closing.abort();
  assert.equal(await next(), null);
});

Deno.test("a Last-Event-ID that is no number counts as none", async () => {
  const gateway = new GatewayDouble();
  gateway.tell("newlink", {});
  const { closing, next } = await listen(gateway, { "last-event-id": "x" });
  gateway.tell("dellink", {});
  assert.match((await next())!, /^id: 2\n/);
  closing.abort();
  assert.equal(await next(), null);
});

Deno.test("a client that goes ends its subscription", async () => {
  const gateway = new GatewayDouble();
  const events = gateway.events.bind(gateway);
  const ended = Promise.withResolvers<void>();
  gateway.events = (after, signal) => {
    signal.addEventListener("abort", () => ended.resolve());
    return events(after, signal);
  };
  const { reader } = await listen(gateway);
  await reader.cancel();
  await ended.promise;
});
