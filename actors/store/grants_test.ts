/** The protocol of leases and bounds against a plain record of what was taken, over random histories. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CELL_OSEQ, makeXfrmCells, viewXfrmCells, type XfrmCells } from "../../datapath/xfrm/xfrm_cells.ts";
import { lastSequence, LEASE_PACKETS, takeLease } from "../../datapath/xfrm/xfrm_lease.ts";
import { Grants, resumeAtBound } from "./grants.ts";

/** Random histories; the environment may ask for more. */
const HISTORIES = Number(Deno.env.get("VTI_MODEL_HISTORIES") ?? 100_000);
const LAST = lastSequence(true);
const SA = "sa";

type Step =
  | { readonly do: "take"; readonly leases: number }
  /** The main thread looks at the leases; the disk may fail it. */
  | { readonly do: "tick"; readonly fails: boolean }
  /** Something else is written. */
  | { readonly do: "write" }
  /** The process is killed: its memory stays. */
  | { readonly do: "kill" }
  /** Memory is lost, and perhaps what the disk took last. */
  | { readonly do: "power loss"; readonly missing: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("take" as const), leases: fc.integer({ min: 1, max: 70 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("tick" as const), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("write" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("power loss" as const), missing: fc.boolean() }) },
);

class World {
  cells: XfrmCells = viewXfrmCells(makeXfrmCells());
  grants = new Grants();
  /** The SA's bound as each write left it on the disk. */
  readonly disk: number[] = [];
  /** Every lease below it was taken, or will never be. */
  taken = 0;

  constructor(oseq: number) {
    this.cells.f64[CELL_OSEQ] = oseq;
    this.taken = Math.floor(oseq / LEASE_PACKETS);
    const bound = this.grants.add(SA, this.cells);
    assert.equal(takeLease(this.cells, LAST), -1, "a lease before anything is on disk");
    this.disk.push(bound);
    this.grants.added(SA);
  }

  write(fails = false): boolean {
    const wanted = this.grants.wanted();
    if (fails) return false;
    this.disk.push(wanted.get(SA) ?? this.disk.at(-1)!);
    this.grants.written(wanted);
    return true;
  }

  /** A process begins, and writes twice before an actor is made. */
  begin(): void {
    this.grants = new Grants();
    this.grants.resume(SA, this.cells, this.disk.at(-1)!);
    this.write();
    this.write();
  }

  run(step: Step): void {
    switch (step.do) {
      case "take":
        for (let i = 0; i < step.leases; i++) {
          const lease = takeLease(this.cells, LAST);
          if (lease < 0) return;
          assert.ok(lease >= this.taken, `lease ${lease} twice`);
          this.taken = lease + 1;
        }
        break;
      case "tick":
        if (this.grants.areLow()) this.write(step.fails);
        break;
      case "write":
        this.write();
        break;
      case "kill":
        this.begin();
        break;
      case "power loss":
        // The first write made the SA: without it there is none.
        if (step.missing && this.disk.length > 1) this.disk.pop();
        this.cells = viewXfrmCells(makeXfrmCells());
        resumeAtBound(this.cells, this.disk.at(-1)!);
        this.begin();
        break;
    }
  }
}

Deno.test(`no lease is taken twice in ${HISTORIES} histories of kills, power losses and failing disks`, () => {
  const start = fc.constantFrom(0, 5, LEASE_PACKETS, 2 ** 32 - 7, 2 ** 40);
  fc.assert(
    fc.property(start, fc.array(step, { maxLength: 25 }), (oseq, steps) => {
      const world = new World(oseq);
      for (const step of steps) world.run(step);
    }),
    { numRuns: HISTORIES },
  );
});

Deno.test("an SA goes on without a gap while the disk takes every bound", () => {
  const world = new World(0);
  for (let second = 0; second < 1000; second++) {
    for (let i = 0; i < 15; i++) assert.ok(takeLease(world.cells, LAST) >= 0, `out of leases at ${second} s`);
    world.run({ do: "tick", fails: false });
  }
  assert.ok(world.disk.length < 1000, "a bound is written only now and then");
});

Deno.test("an SA stops when the disk takes no bound, and goes on when it does again", () => {
  const world = new World(0);
  let taken = 0;
  while (takeLease(world.cells, LAST) >= 0) {
    taken++;
    world.run({ do: "tick", fails: true });
  }
  assert.equal(taken, world.disk[0]);
  world.run({ do: "tick", fails: false });
  assert.equal(takeLease(world.cells, LAST), -1, "a bound that no write has followed");
  world.run({ do: "tick", fails: false });
  assert.equal(takeLease(world.cells, LAST), taken);
});
