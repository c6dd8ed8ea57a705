import assert from "node:assert/strict";
import { Epoll, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT } from "./epoll.ts";
import { EBADF, EEXIST, ENOENT } from "./errno.ts";
import { createEventfd, drain, ring } from "./eventfd.ts";
import { close } from "./io.ts";

/** Runs `fn` with an epoll set and `count` eventfds. */
function withDoorbells(count: number, fn: (epoll: Epoll, fds: readonly number[]) => void): void {
  const epoll = new Epoll();
  const fds = Array.from({ length: count }, createEventfd);
  try {
    fn(epoll, fds);
  } finally {
    fds.forEach(close);
    epoll.close();
  }
}

Deno.test("Epoll.wait() reports tokens and events of what is ready", () => {
  withDoorbells(3, (epoll, fds) => {
    fds.forEach((fd, i) => epoll.add(fd, EPOLLIN, 0xffff_fff0 + i));
    assert.equal(epoll.wait(0), 0);
    ring(fds[0]);
    ring(fds[2]);
    assert.equal(epoll.wait(1000), 2);
    assert.deepEqual([epoll.token(0), epoll.token(1)].sort(), [0xffff_fff0, 0xffff_fff2]);
    assert.equal(epoll.events(0), EPOLLIN);
  });
});

Deno.test("Epoll.wait() reports more than fit one wait in the next", () => {
  withDoorbells(100, (epoll, fds) => {
    fds.forEach((fd, i) => epoll.add(fd, EPOLLIN | EPOLLET, i));
    fds.forEach(ring);
    const seen = new Set<number>();
    for (let n = epoll.wait(0); n > 0; n = epoll.wait(0)) {
      for (let i = 0; i < n; i++) seen.add(epoll.token(i));
    }
    assert.equal(seen.size, 100);
  });
});

Deno.test("EPOLLET reports a ring once, without it until it is drained", () => {
  withDoorbells(2, (epoll, [edge, level]) => {
    epoll.add(edge, EPOLLIN | EPOLLET, 1);
    ring(edge);
    assert.equal(epoll.wait(0), 1);
    assert.equal(epoll.wait(0), 0);
    ring(edge);
    assert.equal(epoll.wait(0), 1);
    epoll.remove(edge);
    epoll.add(level, EPOLLIN, 2);
    ring(level);
    assert.equal(epoll.wait(0), 1);
    assert.equal(epoll.wait(0), 1);
    assert.equal(drain(level), 1);
    assert.equal(epoll.wait(0), 0);
  });
});

Deno.test("Epoll.modify() changes events and token, remove() forgets", () => {
  withDoorbells(1, (epoll, [fd]) => {
    epoll.add(fd, EPOLLIN, 1);
    epoll.modify(fd, EPOLLOUT, 9);
    assert.equal(epoll.wait(0), 1);
    assert.equal(epoll.token(0), 9);
    assert.equal(epoll.events(0), EPOLLOUT);
    epoll.remove(fd);
    assert.equal(epoll.wait(0), 0);
    assert.throws(() => epoll.remove(fd), { errno: ENOENT });
    epoll.add(fd, EPOLLIN, 1);
    assert.throws(() => epoll.add(fd, EPOLLIN, 1), { errno: EEXIST });
    assert.throws(() => epoll.add(-1, EPOLLIN, 1), { errno: EBADF });
    assert.equal(EPOLLHUP, 0x10);
  });
});

Deno.test("drain() counts the rings, a full eventfd keeps ringing", () => {
  withDoorbells(1, (_epoll, [fd]) => {
    assert.equal(drain(fd), 0);
    for (let i = 0; i < 5; i++) ring(fd);
    assert.equal(drain(fd), 5);
    assert.equal(drain(fd), 0);
  });
});

Deno.test("ring() wakes a thread that waits", async () => {
  const fd = createEventfd();
  const code = `
    import { Epoll, EPOLLIN } from "${new URL("./epoll.ts", import.meta.url)}";
    const epoll = new Epoll();
    epoll.add(${fd}, EPOLLIN, 77);
    postMessage("ready");
    postMessage(epoll.wait(60000) === 1 ? epoll.token(0) : "not woken");
  `;
  const worker = new Worker(`data:application/javascript,${encodeURIComponent(code)}`, { type: "module" });
  try {
    const messages: unknown[] = [];
    await new Promise<void>((resolve) => {
      worker.onmessage = ({ data }) => {
        messages.push(data);
        if (data === "ready") ring(fd);
        else resolve();
      };
    });
    assert.deepEqual(messages, ["ready", 77]);
  } finally {
    worker.terminate();
    close(fd);
  }
});

Deno.test("Epoll.nap() sleeps as long as told, whatever happens meanwhile", () => {
  withDoorbells(1, (epoll, [fd]) => {
    epoll.add(fd, EPOLLIN, 1);
    ring(fd);
    const start = performance.now();
    epoll.nap(2000);
    assert.ok(performance.now() - start >= 2);
    assert.equal(epoll.wait(0), 1);
  });
});
