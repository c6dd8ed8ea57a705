import assert from "node:assert/strict";
import fc from "fast-check";
import { Fifo } from "./fifo.ts";

Deno.test("Fifo gives back what was pushed, in order, whatever the mix of push and shift", () => {
  // A positive step pushes so many, a negative one shifts so many.
  fc.assert(fc.property(fc.array(fc.integer({ min: -90, max: 100 }), { maxLength: 60 }), (steps) => {
    const fifo = new Fifo<number>();
    const model: number[] = [];
    let next = 0;
    for (const step of steps) {
      for (let i = 0; i < step; i++) {
        fifo.push(next);
        model.push(next++);
      }
      for (let i = 0; i > step; i--) assert.equal(fifo.shift(), model.shift());
      assert.equal(fifo.length, model.length);
    }
  }));
});
