import assert from "node:assert/strict";
import { check, EBADF, EBUSY, EPERM, errno, errnoName, SyscallError } from "./errno.ts";
import { close } from "./io.ts";
import { libc } from "./libc.ts";

Deno.test("errno() is the last call's, on this thread", () => {
  assert.equal(libc.close(-1), -1);
  assert.equal(errno(), EBADF);
});

Deno.test("errno() of one worker is not another's", async () => {
  const code = `
    import { libc } from "${new URL("./libc.ts", import.meta.url)}";
    import { errno } from "${new URL("./errno.ts", import.meta.url)}";
    libc.unlink(new TextEncoder().encode("/no/such/file\\0"));
    postMessage(errno());
  `;
  libc.close(-1);
  const worker = new Worker(`data:application/javascript,${encodeURIComponent(code)}`, { type: "module" });
  try {
    const theirs = await new Promise((resolve) => worker.onmessage = (event) => resolve(event.data));
    assert.equal(theirs, 2);
  } finally {
    worker.terminate();
  }
});

Deno.test("SyscallError says action, call, errno and remedy", () => {
  const plain = new SyscallError('Open TUN device "t0"', "ioctl TUNSETIFF", EBUSY, {
    [EBUSY]: "the name is taken",
  });
  assert.equal(plain.message, 'Open TUN device "t0": ioctl TUNSETIFF answered EBUSY; the name is taken');
  assert.equal(plain.errno, EBUSY);
  assert.equal(plain.errnoName, "EBUSY");
  assert.match(new SyscallError("Try", "socket", EPERM).message, /EPERM; run as root or with CAP_NET_ADMIN/);
  assert.equal(errnoName(9999), "errno 9999");
});

Deno.test("check() passes results through and throws errno", () => {
  assert.equal(check(5, "Try", "read"), 5);
  assert.throws(() => check(libc.close(-1), "Try", "close"), { errno: EBADF, syscall: "close" });
});

Deno.test("close() throws for a descriptor that is not open", () => {
  assert.throws(() => close(-1), SyscallError);
});
