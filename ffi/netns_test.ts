import assert from "node:assert/strict";
import { EEXIST, EINVAL, ENOENT, SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { createNetns, deleteNetns, listNetns, netnsInode, openNetns, withNetns } from "./netns.ts";

const own = (): number => Deno.statSync("/proc/thread-self/ns/net").ino!;

/** Runs `fn` with a namespace of this name, and removes it whatever happens. */
async function withNamespace(name: string, fn: (fd: number) => unknown): Promise<void> {
  createNetns(name);
  try {
    const fd = openNetns(name);
    try {
      await fn(fd);
    } finally {
      close(fd);
    }
  } finally {
    if (listNetns().includes(name)) deleteNetns(name);
  }
}

Deno.test("createNetns() makes what `ip netns` knows, with loopback down, and leaves the thread where it was", async () => {
  const name = `vtt${Deno.pid}n1`;
  const before = own();
  await withNamespace(name, (fd) => {
    assert.equal(own(), before);
    assert.ok(listNetns().includes(name));
    const ip = (...args: string[]) =>
      new TextDecoder().decode(new Deno.Command("ip", { args }).outputSync().stdout);
    assert.match(ip("netns", "list"), new RegExp(`^${name}\\b`, "m"));
    assert.match(ip("-n", name, "link", "show", "lo"), /state DOWN/);
    assert.notEqual(netnsInode(fd), before);
    assert.equal(netnsInode(name), netnsInode(fd));
    assert.throws(() => createNetns(name), { errno: EEXIST });
    deleteNetns(name);
    assert.ok(!listNetns().includes(name));
    assert.throws(() => openNetns(name), (error: unknown) => {
      return error instanceof SyscallError && error.errno === ENOENT &&
        error.message.includes(`ip netns add ${name}`);
    });
    // A descriptor keeps it alive.
    assert.equal(withNetns(fd, own), netnsInode(fd));
  });
});

Deno.test("createNetns() is deleted by `ip netns`, deleteNetns() deletes what `ip netns` made", () => {
  const name = `vtt${Deno.pid}n2`;
  const ip = (verb: string) => new Deno.Command("ip", { args: ["netns", verb, name] }).outputSync().success;
  createNetns(name);
  assert.ok(ip("delete"));
  assert.ok(ip("add"));
  deleteNetns(name);
  assert.throws(() => deleteNetns(name), { errno: ENOENT });
});

Deno.test("withNetns() comes back, also from an error", async () => {
  await withNamespace(`vtt${Deno.pid}n3`, (fd) => {
    const before = own();
    assert.equal(withNetns(fd, own), netnsInode(fd));
    assert.equal(own(), before);
    assert.throws(() =>
      withNetns(fd, () => {
        throw new Error("inside");
      }), /inside/);
    assert.equal(own(), before);
    assert.throws(() => withNetns(-1, own), SyscallError);
    assert.equal(own(), before);
  });
});

Deno.test("withNetns() ends the process when the way back is lost, also from a worker", async () => {
  await withNamespace(`vtt${Deno.pid}n5`, async () => {
    const worker = `
      import { close } from "${new URL("./io.ts", import.meta.url)}";
      import { openNetns, withNetns } from "${new URL("./netns.ts", import.meta.url)}";
      const fd = openNetns("vtt${Deno.pid}n5");
      // The descriptor that withNetns() is going to keep its way back in.
      const home = openNetns("self");
      close(home);
      withNetns(fd, () => close(home));
    `;
    const code = `
      new Worker("data:application/javascript,${encodeURIComponent(worker)}", { type: "module" });
      setTimeout(() => Deno.exit(1), 30000);
    `;
    const file = await Deno.makeTempFile({ suffix: ".js" });
    try {
      await Deno.writeTextFile(file, code);
      const { code: exit, stderr } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", file] })
        .output();
      assert.equal(exit, 70, new TextDecoder().decode(stderr));
    } finally {
      await Deno.remove(file);
    }
  });
});

Deno.test("openNetns() takes self and pid:N", () => {
  assert.equal(netnsInode("self"), own());
  assert.equal(netnsInode(`pid:${Deno.pid}`), own());
  assert.throws(() => openNetns("pid:4194305"), { errno: ENOENT });
});

Deno.test("names that are paths are refused", () => {
  for (const name of ["", ".", "..", "a/b", "../x", "a\0b", "x".repeat(256), "pid:0/.."]) {
    assert.throws(() => openNetns(name), { errno: EINVAL }, name);
    assert.throws(() => createNetns(name), { errno: EINVAL }, name);
    assert.throws(() => deleteNetns(name), { errno: EINVAL }, name);
  }
});
