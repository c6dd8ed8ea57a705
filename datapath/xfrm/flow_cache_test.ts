import assert from "node:assert/strict";
import { Flow } from "./flow.ts";
import { FlowEntry, LastEntry } from "./flow_cache.ts";

Deno.test("LastEntry gives its entry only for the same flow, generation and second", () => {
  const flow = new Flow();
  const entry = new FlowEntry();
  const last = new LastEntry();
  assert.equal(last.find(flow, 0, 0), null);
  flow.set4(1, 2, 3, 4, 5, 6);
  last.keep(flow, 7, 8, entry);
  assert.equal(last.find(flow, 7, 8), entry);
  assert.equal(last.find(flow, 8, 8), null);
  assert.equal(last.find(flow, 7, 9), null);
  flow.set4(1, 2, 3, 4, 5, 6);
  assert.equal(last.find(flow, 7, 8), entry);
  flow.set4(1, 2, 3, 4, 5, 7);
  assert.equal(last.find(flow, 7, 8), null);
  flow.set4(1, 2, 3, 4, 5, 6);
  assert.equal(last.find(flow, 7, 8), null, "another flow came in between");
});

Deno.test("Flow tells whether any of its words has changed", () => {
  const flow = new Flow();
  const address = new DataView(new ArrayBuffer(32));
  const set4 = (word: number) => flow.set4(...[0, 1, 2, 3, 4, 5].map((k) => k === word ? -1 : k) as Words);
  const set6 = (word: number) => {
    for (let k = 0; k < 8; k++) address.setInt32(4 * k, word === 4 + k ? -1 : k);
    flow.set6(word === 0 ? -1 : 0, word === 1 ? -1 : 1, word === 2 ? -1 : 2, word === 3 ? -1 : 3, address, 0);
  };
  for (const [set, words] of [[set4, 6], [set6, 12]] as const) {
    for (let word = 0; word < words; word++) {
      set(-1);
      const before = flow.version;
      set(-1);
      assert.equal(flow.version, before);
      set(word);
      assert.notEqual(flow.version, before, `word ${word}`);
    }
  }
});

type Words = [number, number, number, number, number, number];
