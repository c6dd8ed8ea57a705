import assert from "node:assert/strict";
import { ENOSPC, SyscallError } from "./errno.ts";
import { MappedFile, memoryAt, ProcessMemory } from "./shared_memory.ts";

const ADDERS = 2;
const ADDITIONS = 100_000;

Deno.test("memoryAt() gives threads one memory, on which Atomics are atomic", async () => {
  const memory = new ProcessMemory(1 << 20);
  const source = `import { memoryAt } from "${new URL("./shared_memory.ts", import.meta.url)}";
    self.onmessage = ({ data }) => {
      const cells = new Int32Array(memoryAt(data, 8));
      for (let i = 0; i < ${ADDITIONS}; i++) {
        Atomics.add(cells, 0, 1);
        for (;;) {
          const before = Atomics.load(cells, 1);
          if (Atomics.compareExchange(cells, 1, before, before + 1) === before) break;
        }
      }
      self.postMessage(null);
      self.close();
    };`;
  const module = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  await Promise.all(Array.from({ length: ADDERS }, async () => {
    const worker = new Worker(module, { type: "module" });
    const done = new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = (event) => reject(new Error(event.message));
    });
    worker.postMessage(memory.address);
    await done;
    worker.terminate();
  }));
  URL.revokeObjectURL(module);
  const sum = ADDERS * ADDITIONS;
  assert.deepEqual([...new Int32Array(memoryAt(memory.address, 8))], [sum, sum]);
  memory.close();
});

Deno.test("MappedFile keeps what was written, for one process at a time", () => {
  const dir = Deno.makeTempDirSync();
  try {
    const path = `${dir}/cells`;
    const first = new MappedFile(path, 1 << 30);
    assert.equal(first.bytes, 0);
    first.grow(8192);
    new Float64Array(memoryAt(first.address + 4096n, 8))[0] = 0.5;
    assert.throws(() => new MappedFile(path, 8192), /another process uses it/);
    first.close();
    const second = new MappedFile(path, 1 << 30);
    assert.equal(second.bytes, 8192);
    assert.equal(new Float64Array(memoryAt(second.address + 4096n, 8))[0], 0.5);
    second.close();
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    Deno.symlinkSync(path, `${dir}/link`);
    assert.throws(() => new MappedFile(`${dir}/link`, 4096), SyscallError);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("grow() says so when there is no room, before anything is touched", () => {
  const dir = Deno.makeTempDirSync({ dir: "/dev/shm" });
  const file = new MappedFile(`${dir}/cells`, 2 ** 41);
  try {
    assert.throws(() => file.grow(2 ** 40), (error: SyscallError) => error.errno === ENOSPC);
    assert.throws(() => file.grow(2 ** 42), RangeError);
  } finally {
    file.close();
    Deno.removeSync(dir, { recursive: true });
  }
});
