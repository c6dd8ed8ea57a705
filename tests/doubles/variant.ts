/**
 * What all daemons and devices of a test run shall be like, whatever a test says: for `deno task test:variants`.
 *
 *     VTI_TEST_PLACEMENT   packed, isolated
 *     VTI_TEST_CRYPTO      auto, ipsec-mb, libcrypto, noble
 *     VTI_TEST_OFFLOADS    on, off
 */

/** The value of a variable when it is one of `values`; undefined when it is not set. Throws at any other. */
function oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
  const value = Deno.env.get(name);
  if (value === undefined) return undefined;
  if (!(values as readonly string[]).includes(value)) {
    throw new Error(`Cannot use ${name}="${value}": expected ${values.join(", ")}`);
  }
  return value as T;
}

export const VARIANT = {
  placement: oneOf("VTI_TEST_PLACEMENT", ["packed", "isolated"]),
  crypto: oneOf("VTI_TEST_CRYPTO", ["auto", "ipsec-mb", "libcrypto", "noble"]),
  offloads: oneOf("VTI_TEST_OFFLOADS", ["on", "off"]),
} as const;

/** Words that take from a device what it does in the stack's place. */
export const withoutOffloads = (ifname: string): readonly string[] => [
  ...["ethtool", "-K", ifname, "tso", "off", "gso", "off", "gro", "off"],
  ...["tx", "off", "tx-udp-segmentation", "off"],
];
