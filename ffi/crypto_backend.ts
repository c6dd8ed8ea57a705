/**
 * Which crypto library makes the transforms: the fastest that this host has, or the one that was asked for.
 */
import process from "node:process";
import type { CryptoBackend, CryptoRefusal, EspTransformSpec } from "../datapath/esp/aead.ts";
import { ipsecMbBackend } from "./aead_ipsec_mb.ts";
import { libcryptoBackend } from "./aead_libcrypto.ts";

const IPPROTO_AH = 51;
const IPPROTO_COMP = 108;

/** The daemon's `--crypto`. */
export type CryptoChoice = "auto" | CryptoBackend["name"];

export interface SelectedBackend extends CryptoBackend {
  /** What the operator should know about the choice, null when there is nothing. */
  readonly warning: string | null;
}

const INSTALL = {
  "ipsec-mb": "apt-get install libipsec-mb1",
  "libcrypto": "apt-get install libssl3",
} as const;

/**
 * `auto`: ipsec-mb where it is installed and proved, else libcrypto, else noble with a warning. A library that lacks an
 * algorithm leaves it to the next. Throws an Error with the remedy when a library that was asked for is missing.
 */
export function selectBackend(choice: CryptoChoice): SelectedBackend {
  switch (choice) {
    case "auto":
      return ipsecMb() ?? libcrypto() ?? noble(
        "Choose crypto library: neither libIPSec_MB.so.1 nor libcrypto.so.3 is here, so JavaScript encrypts, " +
          `some 100 times slower; ${INSTALL.libcrypto}`,
      );
    case "ipsec-mb":
      return ipsecMb() ?? missing("ipsec-mb", "libIPSec_MB.so.1 is missing or does not fit this processor");
    case "libcrypto":
      return libcrypto() ?? missing("libcrypto", "libcrypto.so.3 is missing");
    case "noble":
      return noble(null);
  }
}

function ipsecMb(): SelectedBackend | null {
  const backend = ipsecMbBackend();
  return backend === null
    ? null
    : { ...withNext(backend, libcryptoBackend() ?? nobleBackend()), warning: null };
}

function libcrypto(): SelectedBackend | null {
  const backend = libcryptoBackend();
  return backend === null ? null : { ...backend, warning: null };
}

function noble(warning: string | null): SelectedBackend {
  return { ...nobleBackend(), warning };
}

/**
 * Loaded only where it is used: it takes 4 MB and 100 ms in each worker. By `require`, because a worker's loop has no
 * turn in which an `import` could be awaited.
 */
function nobleBackend(): CryptoBackend {
  const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
  const noble: typeof import("./aead_noble.ts") = require("./aead_noble.ts");
  return noble.nobleBackend();
}

function missing(name: keyof typeof INSTALL, state: string): never {
  throw new Error(`Choose crypto library "${name}": ${state}; ${INSTALL[name]}, or choose --crypto auto`);
}

/**
 * Whether a backend has what an SA of protocol `proto` needs: null, or why not. The keys are not kept. IPComp needs
 * nothing of it.
 */
export function checkTransform(
  backend: CryptoBackend,
  spec: Omit<EspTransformSpec, "direction">,
  proto: number,
): CryptoRefusal | null {
  if (proto === IPPROTO_COMP) return null;
  const { auth, esn } = spec;
  const made = proto === IPPROTO_AH && auth !== undefined
    ? backend.createAuth({ auth, esn })
    : backend.create({ ...spec, direction: "out" });
  if ("errno" in made) return made;
  made.destroy();
  return null;
}

/** `first`, and `next` for what `first` does not know. */
function withNext(first: CryptoBackend, next: CryptoBackend): CryptoBackend {
  const orElse = <T extends object>(made: T | CryptoRefusal, other: () => T | CryptoRefusal) =>
    "errno" in made && made.errno === "ENOSYS" ? other() : made;
  return {
    name: first.name,
    ...(first.seals !== undefined && { seals: first.seals }),
    create: (spec) => orElse(first.create(spec), () => next.create(spec)),
    createAuth: (spec) => orElse(first.createAuth(spec), () => next.createAuth(spec)),
  };
}
