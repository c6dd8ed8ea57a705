import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { diagnosisText } from "./doctor.ts";

const TUN = { name: "tun", ok: true, required: true, detail: "/dev/net/tun makes devices", remedy: "" };
const NO_RAW = {
  name: "raw sockets",
  ok: false,
  required: true,
  detail: "socket answered EPERM",
  remedy: "run as root or with CAP_NET_RAW",
};
const NO_OFFLOADS = { name: "tun offloads", ok: false, required: false, detail: "none", remedy: "" };
const CRYPTO = { found: ["libcrypto", "noble"], auto: "libcrypto", warning: null } as const;

/** The tests may run on a terminal. */
const plain = stripVTControlCharacters;

Deno.test("diagnosisText() has a row for each thing, the remedy below it, and a verdict", () => {
  const text = plain(diagnosisText({ ready: false, host: [TUN, NO_RAW, NO_OFFLOADS], crypto: CRYPTO }));
  assert.deepEqual(text.split("\n"), [
    "ok      tun           /dev/net/tun makes devices",
    "missing raw sockets   socket answered EPERM",
    "                      → run as root or with CAP_NET_RAW",
    "missing tun offloads  none",
    "ok      crypto        found: libcrypto, noble; --crypto auto takes libcrypto",
    "",
    "The gateway can't run on this host: it lacks raw sockets.",
  ]);
});

Deno.test("diagnosisText() warns of slow crypto and says that the gateway can run", () => {
  const crypto = { found: ["noble"], auto: "noble", warning: "no library" } as const;
  const text = plain(diagnosisText({ ready: true, host: [TUN], crypto }));
  assert.match(text, /^missing crypto .*\n +→ no library$/m);
  assert.match(text, /The gateway can run on this host\.$/);
});
