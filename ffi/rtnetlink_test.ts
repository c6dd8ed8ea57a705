import assert from "node:assert/strict";
import type { GoneRoutes } from "../datapath/xfrm/route_lookup.ts";
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENETUNREACH, ENODEV, ESRCH, SyscallError } from "./errno.ts";
import { Epoll, EPOLLIN } from "./epoll.ts";
import { close } from "./io.ts";
import { inside, ip, type Side, withVethPair } from "./netns_fixture.ts";
import { openRtnetlink, Rtnetlink, RtnetlinkRoutes } from "./rtnetlink.ts";
import { type LinkChanged, openRtnetlinkMonitor, RtnetlinkMonitor } from "./rtnetlink_monitor.ts";

const v4 = (...bytes: number[]) => Uint8Array.from(bytes);

async function withRtnetlink(fn: (rtnl: Rtnetlink, a: Side, b: Side) => unknown): Promise<void> {
  await withVethPair(1500, async (a, b) => {
    const rtnl = inside(a, () => new Rtnetlink());
    try {
      await fn(rtnl, a, b);
    } finally {
      rtnl.close();
    }
  });
}

Deno.test("Rtnetlink.link() finds devices by name and index, links() lists them", async () => {
  await withRtnetlink((rtnl, { device }) => {
    const veth = rtnl.link(device)!;
    assert.deepEqual(rtnl.link(veth.ifindex), veth);
    assert.equal(veth.name, device);
    assert.equal(veth.kind, "veth");
    assert.equal(veth.mtu, 1500);
    assert.equal(veth.up, true);
    assert.equal(veth.type, 1);
    assert.equal(veth.address.length, 6);
    assert.equal(veth.qdisc, "noqueue");
    assert.equal(veth.linkmode, "DEFAULT");
    assert.equal(veth.moved, false);
    assert.deepEqual(rtnl.links().map((link) => link.name), ["lo", device]);
    assert.equal(rtnl.link("nothere"), null);
    assert.equal(rtnl.link(9999), null);
    assert.throws(() => rtnl.link("a/b"), { errno: EINVAL });
  });
});

Deno.test("Rtnetlink.setLink() changes what is given and no more", async () => {
  await withRtnetlink((rtnl, { device }) => {
    const { ifindex } = rtnl.link(device)!;
    rtnl.setLink({
      ifindex,
      mtu: 1300,
      txqlen: 77,
      name: "renamed",
      address: v4(2, 0, 0, 0, 0, 9),
      multicast: false,
      arp: false,
      allmulticast: true,
      trailers: false,
      dynamic: true,
      group: 7,
      alias: "site B",
      linkmode: "DORMANT",
      inet6AddrGenMode: "none",
      gsoMaxSize: 40_000,
      gsoMaxSegs: 30,
      groMaxSize: 50_000,
    });
    const link = rtnl.link("renamed")!;
    assert.equal(link.mtu, 1300);
    const { group, alias, linkmode, inet6AddrGenMode, allmulti, gsoMaxSize, gsoMaxSegs, groMaxSize } = link;
    assert.deepEqual(
      { group, alias, linkmode, inet6AddrGenMode, allmulti, gsoMaxSize, gsoMaxSegs, groMaxSize },
      {
        group: 7,
        alias: "site B",
        linkmode: "DORMANT",
        inet6AddrGenMode: "none",
        allmulti: 1,
        gsoMaxSize: 40_000,
        gsoMaxSegs: 30,
        groMaxSize: 50_000,
      },
    );
    assert.equal(link.flags & 0x80a0, 0x80a0);
    rtnl.setLink({ ifindex, alias: "" });
    assert.equal(rtnl.link(ifindex)!.alias, "");
    assert.equal(link.txqlen, 77);
    assert.equal(link.flags & 0x1000, 0);
    assert.deepEqual(link.address, v4(2, 0, 0, 0, 0, 9));
    assert.equal(link.up, true);
    rtnl.setLink({ ifindex, up: false });
    assert.equal(rtnl.link(ifindex)!.up, false);
    assert.equal(rtnl.link(ifindex)!.mtu, 1300);
    assert.throws(
      () => rtnl.setLink({ ifindex, mtu: 10 }),
      (error: unknown) =>
        error instanceof SyscallError && error.errno === EINVAL && /the kernel says: mtu/.test(error.message),
    );
    assert.throws(() => rtnl.setLink({ ifindex: 9999, up: true }), { errno: ENODEV });
    assert.throws(() => rtnl.setLink({ ifindex, name: "x".repeat(16) }), { errno: EINVAL });
  });
});

Deno.test("Rtnetlink.newVeth() makes pairs across namespaces, delLink() removes both ends", async () => {
  await withRtnetlink((rtnl, _a, b) => {
    const ifindex = rtnl.newVeth({ name: "v0", mtu: 1400, peer: { name: "v1", netns: b.fd } });
    assert.equal(rtnl.link(ifindex)!.kind, "veth");
    assert.equal(rtnl.link(ifindex)!.mtu, 1400);
    assert.throws(() => rtnl.newVeth({ name: "v0", peer: { name: "v9" } }), { errno: EEXIST });
    assert.throws(() => rtnl.newVeth({ name: "v2", peer: { name: "" } }), { errno: EINVAL });
    const there = inside(b, () => new Rtnetlink());
    try {
      assert.equal(there.link("v1")!.mtu, 1400);
      rtnl.delLink(ifindex);
      assert.equal(there.link("v1"), null);
    } finally {
      there.close();
    }
    assert.throws(() => rtnl.delLink(ifindex), { errno: ENODEV });
  });
});

Deno.test("Rtnetlink.addAddress() and addresses() agree", async () => {
  await withRtnetlink((rtnl, { device }) => {
    const { ifindex } = rtnl.link(device)!;
    rtnl.addAddress(ifindex, v4(10, 1, 2, 3), 24);
    const six = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5);
    rtnl.addAddress(ifindex, six, 64);
    const found = rtnl.addresses().filter((address) => address.ifindex === ifindex);
    assert.ok(found.some(({ local, prefix }) => prefix === 24 && local.join() === "10,1,2,3"));
    assert.ok(found.some(({ local, prefix }) => prefix === 64 && local.join() === six.join()));
    assert.throws(() => rtnl.addAddress(ifindex, v4(10, 1, 2, 3), 24), { errno: EEXIST });
    assert.throws(() => rtnl.addAddress(ifindex, v4(1, 2, 3), 24), RangeError);
  });
});

Deno.test("Rtnetlink.delAddress() and delRoute() take away what was added, once", async () => {
  await withRtnetlink((rtnl, { device }) => {
    const { ifindex } = rtnl.link(device)!;
    const six = Uint8Array.of(0xfd, ...Array(14).fill(0), 5);
    for (const [address, prefix] of [[v4(10, 1, 2, 3), 24], [six, 64]] as const) {
      rtnl.addAddress(ifindex, address, prefix);
      rtnl.delAddress(ifindex, address, prefix);
      assert.ok(!rtnl.addresses().some(({ local }) => local.join() === address.join()));
      assert.throws(() => rtnl.delAddress(ifindex, address, prefix), { errno: EADDRNOTAVAIL });
    }
    const six64 = Uint8Array.of(0xfd, 7, ...Array(14).fill(0));
    for (const [dst, prefix] of [[v4(198, 51, 100, 0), 24], [v4(0, 0, 0, 0), 0], [six64, 64]] as const) {
      const route = { dst, prefix, oif: ifindex };
      rtnl.addRoute(route);
      rtnl.delRoute(route);
      assert.throws(() => rtnl.delRoute(route), { errno: ESRCH });
      rtnl.addRoute(route);
    }
  });
});

Deno.test("Rtnetlink.routeGet() answers routes and refusals", async () => {
  await withRtnetlink((rtnl, a, b) => {
    const { ifindex } = rtnl.link(a.device)!;
    const direct = rtnl.routeGet({ dst: b.u32 });
    assert.deepEqual(direct, {
      errno: 0,
      oif: ifindex,
      mtu: 1500,
      mtuLocked: false,
      hopLimit: 0,
      learned: false,
      prefsrc: a.u32,
      gateway: 0,
      type: "unicast",
    });
    assert.equal(rtnl.routeGet({ dst: 0x08080808 }).errno, ENETUNREACH);
    rtnl.addRoute({ dst: v4(0, 0, 0, 0), prefix: 0, gateway: v4(10, 77, 0, 2) });
    rtnl.addRoute({ dst: v4(198, 51, 100, 0), prefix: 24, gateway: v4(10, 77, 0, 2), mtu: 1380 });
    assert.equal(rtnl.routeGet({ dst: 0x08080808 }).gateway, b.u32);
    assert.equal(rtnl.routeGet({ dst: 0xc6336401 }).mtu, 1380);
    assert.equal(rtnl.routeGet({ dst: 0xc6336401 | 0 }).mtu, 1380, "either sign");
    assert.equal(rtnl.routeGet({ dst: 0xc6336401, fibMatch: true }).mtu, 1380);
    assert.equal(rtnl.routeGet({ dst: 0xc6336401 }).mtuLocked, false);
    ip(a, "route add 203.0.113.0/24 via 10.77.0.2 mtu lock 1280");
    const locked = rtnl.routeGet({ dst: 0xcb007101 });
    assert.deepEqual([locked.mtu, locked.mtuLocked], [1280, true]);
    assert.equal(rtnl.routeGet({ dst: a.u32 }).type, "local");
    assert.equal(rtnl.routeGet({ dst: a.u32 }).mtu, 65520, "loopback's 65536 is beyond IPv4");
    assert.notEqual(rtnl.routeGet({ dst: b.u32, src: 0x01020304 }).errno, 0, "not a local address");
    assert.equal(rtnl.routeGet({ dst: b.u32, src: a.u32, tos: 0x10, mark: 7, oif: ifindex }).oif, ifindex);
    assert.throws(() => rtnl.addRoute({ dst: v4(0, 0, 0, 0), prefix: 0, gateway: v4(10, 77, 0, 2) }), {
      errno: EEXIST,
    });
  });
});

Deno.test("RtnetlinkRoutes.lookup() reuses one record", async () => {
  await withRtnetlink((_rtnl, a, b) => {
    const fd = inside(a, () => openRtnetlink());
    try {
      const routes = new RtnetlinkRoutes(fd);
      const first = routes.lookup(b.u32, 0, 0, 0);
      assert.deepEqual({ ...first }, {
        errno: 0,
        oif: first.oif,
        mtu: 1500,
        mtuLocked: false,
        src: a.u32,
        gateway: 0,
        hopLimit: 0,
      });
      const second = routes.lookup(0x08080808, 0, 0, 0);
      assert.equal(second, first);
      assert.equal(second.errno, ENETUNREACH);
    } finally {
      close(fd);
    }
  });
});

Deno.test("a socket that is none gives an error, not a hang", () => {
  assert.throws(() => new Rtnetlink(-1).links(), SyscallError);
});

Deno.test("RtnetlinkMonitor tells of devices that come, change, move and go, and of routes", async () => {
  await withRtnetlink((rtnl, a, b) => {
    const fd = inside(a, () => openRtnetlinkMonitor());
    const epoll = new Epoll();
    epoll.add(fd, EPOLLIN, 1);
    const monitor = new RtnetlinkMonitor(fd);
    const links: LinkChanged[] = [];
    const gone: [number, boolean][] = [];
    const routesGone: GoneRoutes[] = [];
    let routes = 0;
    const until = (what: string, met: () => boolean): void => {
      while (!met()) {
        assert.ok(epoll.wait(5000) > 0, `${what} was not told`);
        monitor.read({
          link: (link) => links.push(link),
          linkGone: (ifindex, moved) => gone.push([ifindex, moved]),
          routeGone: (route) => routesGone.push(route),
          routesChanged: () => routes++,
        });
      }
    };
    try {
      const ifindex = rtnl.newVeth({ name: "m0", mtu: 1400, peer: { name: "n0" } });
      until("new device", () => links.some((l) => l.ifname === "m0" && l.mtu === 1400 && !l.up));
      rtnl.setLink({ ifindex, up: true, mtu: 1300, name: "m1" });
      until(
        "change",
        () => links.some((l) => l.ifindex === ifindex && l.ifname === "m1" && l.mtu === 1300 && l.up),
      );
      routes = 0;
      rtnl.addAddress(ifindex, v4(10, 5, 5, 1), 24);
      until("address", () => routes > 0);
      routes = 0;
      rtnl.addRoute({ dst: v4(10, 6, 0, 0), prefix: 16, oif: ifindex });
      until("route", () => routes > 0);
      rtnl.delRoute({ dst: v4(10, 6, 0, 0), prefix: 16, oif: ifindex });
      until("end of a route", () => routesGone.some(({ prefix }) => prefix === 16));
      assert.deepEqual(routesGone.at(-1), { dst: 0x0a060000, prefix: 16, oif: ifindex, gateway: 0 });
      const args = ["-n", a.netns, "link", "set", "m1", "netns", b.netns];
      assert.ok(new Deno.Command("ip", { args }).outputSync().success);
      until("move", () => gone.some(([index, moved]) => index === ifindex && moved));
      const second = rtnl.newVeth({ name: "m2", peer: { name: "n2" } });
      rtnl.delLink(second);
      until("end", () => gone.some(([index, moved]) => index === second && !moved));
      monitor.read({ link: () => {}, linkGone: () => {}, routesChanged: () => {} });
      assert.equal(epoll.wait(0), 0, "read() leaves nothing");
    } finally {
      epoll.close();
      close(fd);
    }
  });
});

Deno.test("RtnetlinkMonitor says when notifications were lost", async () => {
  await withRtnetlink((rtnl, a) => {
    const fd = inside(a, () => openRtnetlinkMonitor());
    try {
      const { ifindex } = rtnl.link(a.device)!;
      let lost = 0;
      let routes = 0;
      const monitor = new RtnetlinkMonitor(fd);
      // A queue that nobody reads overflows after a few hundred notifications.
      for (let round = 0; round < 2000; round++) rtnl.setLink({ ifindex, mtu: 1400 + (round & 1) });
      const handler = {
        link: () => {},
        linkGone: () => {},
        routesChanged: () => routes++,
        lost: () => lost++,
      };
      for (let reads = 0; reads < 100 && lost === 0; reads++) monitor.read(handler);
      assert.equal(lost, 1);
      assert.ok(routes > 0);
    } finally {
      close(fd);
    }
  });
});

Deno.test("Rtnetlink.nsid() gives another namespace an id once", async () => {
  await withRtnetlink((rtnl, a, b) => {
    const id = rtnl.nsid(b.fd);
    assert.ok(id >= 0);
    assert.equal(rtnl.nsid(b.fd), id);
    assert.notEqual(rtnl.nsid(a.fd), id);
  });
});
