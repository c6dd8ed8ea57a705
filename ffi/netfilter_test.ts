import assert from "node:assert/strict";
import { close } from "./io.ts";
import { libc } from "./libc.ts";
import { openNftables, PacketFilters } from "./netfilter.ts";
import { NetlinkRequest, NLM_F_CREATE } from "./netlink_message.ts";
import { inside, withVethPair } from "./netns_fixture.ts";

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWTABLE = 0;
const NFTA_TABLE_NAME = 1;
const NFPROTO_IPV4 = 2;

/** Makes an empty table of nftables, which only a batch of messages can. */
function addTable(fd: number, name: string): void {
  const message = (type: number, family: number, subsystem: number) =>
    new NetlinkRequest(type, NLM_F_CREATE).u8(family).u8(0).u8(0).u8(subsystem);
  const messages = [
    message(NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES),
    message((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE, NFPROTO_IPV4, 0).attrString(
      NFTA_TABLE_NAME,
      name,
    ),
    message(NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES),
  ];
  const bytes = Uint8Array.from(messages.flatMap((request, i) => [...request.finish(1000 + i)]));
  assert.equal(libc.send(fd, bytes, BigInt(bytes.length), 0), bytes.length);
}

Deno.test("PacketFilters.exist() sees a table of nftables come", async () => {
  await withVethPair(1500, (a) => {
    const fd = inside(a, openNftables);
    if (fd < 0) return;
    try {
      const filters = new PacketFilters(a.fd, fd);
      assert.equal(filters.exist(), false);
      addTable(fd, "filter");
      assert.equal(filters.exist(), true);
    } finally {
      close(fd);
    }
  });
});

Deno.test("PacketFilters.exist() says yes where it can't tell", async () => {
  await withVethPair(1500, (a) => {
    const fd = inside(a, openNftables);
    const filters = new PacketFilters(a.fd, fd < 0 ? 0x7fff_fff0 : fd);
    close(fd);
    assert.equal(filters.exist(), true);
  });
});
