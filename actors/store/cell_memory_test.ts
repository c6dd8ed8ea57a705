import assert from "node:assert/strict";
import { CellMemory, newIdentity } from "./cell_memory.ts";
import type { Slot } from "../control/keeper.ts";

const ID = { id: newIdentity(), boot: "boot" };

function write(slot: Slot, value: number): void {
  new Float64Array(slot.memory)[87] = value;
}

function read(slot: Slot | null): number | undefined {
  return slot === null ? undefined : new Float64Array(slot.memory)[87];
}

function inDirectory(test: (path: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    test(`${dir}/cells`);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("allocate() gives zeros, and other memory to everyone", () => {
  const memory = new CellMemory();
  const slots = Array.from({ length: 200 }, () => memory.allocate());
  slots.forEach((slot, i) => write(slot, i + 1));
  assert.deepEqual(slots.map(read), slots.map((_, i) => i + 1));
  assert.equal(new Set(slots.map((slot) => slot.address)).size, 200);
  memory.release(slots[7]!.identity);
  const again = memory.allocate();
  assert.equal(again.address, slots[7]!.address);
  assert.notEqual(again.identity, slots[7]!.identity);
  assert.equal(read(again), 0);
  memory.close();
});

Deno.test("taint() keeps memory from others that a lost thread may write to", () => {
  const memory = new CellMemory();
  const known = memory.allocate();
  memory.taint();
  const later = memory.allocate();
  memory.release(known.identity);
  memory.release(later.identity);
  const addresses = Array.from({ length: 100 }, () => memory.allocate().address);
  assert.ok(addresses.includes(later.address));
  assert.ok(!addresses.includes(known.address));
  memory.close();
});

Deno.test("resume() takes over what an earlier process left, and nothing else", () => {
  inDirectory((path) => {
    const first = new CellMemory(path);
    assert.equal(first.resume(ID), false);
    first.reset(ID);
    const kept = first.allocate();
    const released = first.allocate();
    const lost = first.allocate(newIdentity(), true);
    write(kept, 0.5);
    first.release(released.identity);
    first.close();

    for (const wrong of [{ ...ID, boot: "other boot" }, { ...ID, id: newIdentity() }]) {
      const other = new CellMemory(path);
      assert.equal(other.resume(wrong), false);
      other.close();
    }
    const second = new CellMemory(path);
    assert.equal(second.resume(ID), true);
    assert.deepEqual(new Set(second.identities), new Set([kept.identity, lost.identity]));
    assert.equal(read(second.find(kept.identity)), 0.5);
    assert.deepEqual([second.find(kept.identity)?.lost, second.find(lost.identity)?.lost], [false, true]);
    assert.equal(second.find(released.identity), null);
    // Room that is free in the file is used before more is taken.
    assert.equal(
      second.allocate().address - second.find(kept.identity)!.address,
      released.address - kept.address,
    );
    second.reset({ ...ID, id: newIdentity() });
    assert.deepEqual(second.identities, []);
    second.close();
  });
});

Deno.test("resume() refuses a file that is cut or scribbled over", () => {
  inDirectory((path) => {
    const first = new CellMemory(path);
    first.reset(ID);
    first.allocate();
    first.close();
    const bytes = Deno.readFileSync(path);
    const scribbled = bytes.slice();
    scribbled[20]! ^= 1;
    for (const content of [scribbled, bytes.slice(0, 4095), new Uint8Array()]) {
      Deno.writeFileSync(path, content);
      const second = new CellMemory(path);
      assert.equal(second.resume(ID), false);
      second.close();
    }
  });
});

Deno.test("restore() brings back what save() took, with its flag", () => {
  const memory = new CellMemory();
  const [good, lost] = [memory.allocate(), memory.allocate(newIdentity(), true)];
  write(good, 3);
  const saved = [good, lost].map(({ identity }) => memory.save(identity));
  for (const { identity } of [good, lost]) memory.release(identity);
  const [goodAgain, lostAgain] = [good, lost].map(({ identity }, i) => memory.restore(identity, saved[i]!));
  assert.deepEqual([read(goodAgain!), goodAgain!.lost, lostAgain!.lost], [3, false, true]);
  memory.close();
});
