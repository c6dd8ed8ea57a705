/** How much a packet leaves to the garbage collector, for tests of the hot path. */

/** Tries until the code is optimized: it boxes numbers before that, and on a busy machine the compiler comes late. */
const TRIES = 50;
/** Bytes; the smallest object for each packet would be twelve times as much. */
const ENOUGH = 1;

/** Bytes of heap that a packet leaves behind; `run` passes `packets` packets. */
export function allocatedPerPacket(packets: number, run: () => void): number {
  let least = Infinity;
  for (let i = 0; i < TRIES && least >= ENOUGH; i++) least = Math.min(least, grownBytes(run) / packets);
  return least;
}

/** The median over seven runs: a collection makes one look too good, a compilation too bad. */
function grownBytes(run: () => void): number {
  const growth = Array.from({ length: 7 }, () => {
    const before = Deno.memoryUsage().heapUsed;
    run();
    return Deno.memoryUsage().heapUsed - before;
  });
  return growth.sort((a, b) => a - b)[3];
}
