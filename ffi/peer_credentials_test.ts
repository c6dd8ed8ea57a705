import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { close } from "./io.ts";
import { libc } from "./libc.ts";
import { peerCredentials } from "./peer_credentials.ts";

const [AF_INET, SOCK_STREAM] = [2, 1];

Deno.test("peerCredentials() says who connected to a unix socket", async () => {
  const dir = await Deno.makeTempDir({ prefix: "vti-gateway-cred-" });
  const server = net.createServer();
  try {
    server.listen(`${dir}/socket`);
    await once(server, "listening");
    const theirs = net.connect(`${dir}/socket`);
    const [ours] = await once(server, "connection");
    assert.deepEqual(peerCredentials(ours._handle.fd), { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() });
    theirs.destroy();
    ours.destroy();
  } finally {
    server.close();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("peerCredentials() says nothing of other descriptors", () => {
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  try {
    assert.equal(peerCredentials(fd), null);
  } finally {
    close(fd);
  }
  assert.equal(peerCredentials(-1), null);
});
