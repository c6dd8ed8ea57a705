import assert from "node:assert/strict";
import { Epoll } from "./epoll.ts";
import { IcmpEcho } from "./icmp_echo.ts";
import { inside, withVethPair } from "./netns_fixture.ts";
import { Rtnetlink } from "./rtnetlink.ts";

const LOOPBACK = { 4: Uint8Array.of(127, 0, 0, 1), 6: Uint8Array.of(...Array(15).fill(0), 1) };
const isRoot = Deno.uid() === 0;

for (const family of [4, 6] as const) {
  Deno.test({
    name: `IcmpEcho takes the reply that is its own, IPv${family}`,
    ignore: !isRoot,
    async fn() {
      await withVethPair(1500, (a) => {
        const [echo, other, epoll] = inside(a, () => {
          const rtnl = new Rtnetlink();
          rtnl.setLink({ ifindex: rtnl.link("lo")!.ifindex, up: true });
          rtnl.close();
          return [
            new IcmpEcho(LOOPBACK[family], 7),
            new IcmpEcho(LOOPBACK[family], 8),
            new Epoll(),
          ] as const;
        });
        try {
          echo.watch(epoll);
          assert.equal(echo.replied(1), false);
          assert.equal(other.send(1), 64);
          assert.equal(epoll.wait(1000), 1);
          assert.equal(echo.replied(1), false, "another identifier's reply");
          assert.equal(echo.send(1), 64);
          assert.equal(epoll.wait(1000), 1);
          assert.equal(echo.replied(2), false, "another sequence number's reply");
          assert.equal(echo.send(3), 64);
          assert.equal(epoll.wait(1000), 1);
          assert.equal(echo.replied(3), true);
        } finally {
          echo.close();
          other.close();
          epoll.close();
        }
      });
    },
  });

  Deno.test({
    name: `IcmpEcho.send() answers the errno when there is no route, IPv${family}`,
    ignore: !isRoot,
    async fn() {
      await withVethPair(1500, (a) => {
        // The veth's network is the only one: an address beyond it has no route.
        const dst = family === 4
          ? Uint8Array.of(198, 51, 100, 1)
          : Uint8Array.of(0xfd, ...Array(14).fill(0), 1);
        const echo = inside(a, () => new IcmpEcho(dst, 7));
        try {
          assert.ok(echo.send(1) < 0);
        } finally {
          echo.close();
        }
      });
    },
  });
}
