/** Bundles of several SAs, in the client's words. */
import { algorithm } from "./algorithms.ts";

export interface Transform {
  readonly proto: "esp" | "ah" | "comp";
  /** As a selector has it. */
  readonly number: number;
  readonly words: string;
}
const GCM: Transform = { proto: "esp", number: 50, words: algorithm("gcm128").words };
const CBC: Transform = { proto: "esp", number: 50, words: algorithm("cbc128-sha256").words };
const AH: Transform = { proto: "ah", number: 51, words: `auth-trunc hmac(sha256) 0x${"a5".repeat(32)} 128` };
const COMP: Transform = { proto: "comp", number: 108, words: "comp deflate" };

/** Innermost first. */
export const BUNDLES: readonly (readonly [name: string, ...transforms: Transform[]])[] = [
  ["IPComp alone", COMP],
  ["AH alone", AH],
  ["ESP in ESP", GCM, CBC],
  ["IPComp in ESP", COMP, GCM],
  ["ESP in AH", CBC, AH],
  ["IPComp in ESP in AH", COMP, GCM, AH],
];

/** Where an end of a tunnel is, and the lowest SPI of what arrives there. */
export interface BundleEnd {
  readonly outer: string;
  readonly spi: number;
}

/**
 * Commands for one end, on a device with `key`: the SAs of both directions, an outbound policy with the templates in
 * order, and an inbound one for each SA, for what came out of the SA around it is a packet of that one's protocol.
 */
export function bundleWords(
  key: number,
  here: BundleEnd,
  there: BundleEnd,
  transforms: readonly Transform[],
): string[] {
  const out = transforms.map(({ proto }, k) =>
    `tmpl src ${here.outer} dst ${there.outer} proto ${proto} reqid ${k + 1} mode tunnel`
  );
  const into = ({ proto }: Transform, priority: number) =>
    `dir in mark ${key} priority ${priority} tmpl src ${there.outer} dst ${here.outer} proto ${proto} mode tunnel ` +
    // What does not get shorter comes without IPComp.
    (proto === "comp" ? "level use" : "");
  const innerOf = (k: number) => {
    const inner = transforms[k - 1]!;
    return inner === COMP ? [COMP.number, 4, 41] : [inner.number];
  };
  return [
    ...["xfrm state flush", "xfrm policy flush"],
    ...transforms.flatMap(({ proto, words }, k) =>
      ([[here, there], [there, here]] as const).map(([from, to]) =>
        `xfrm state add src ${from.outer} dst ${to.outer} proto ${proto} spi ${
          to.spi + 16 * k
        } mode tunnel ` +
        `mark ${key} reqid ${k + 1} flag af-unspec ${words}`
      )
    ),
    ...["0.0.0.0/0", "::/0"].flatMap((any) => [
      `xfrm policy add src ${any} dst ${any} dir out mark ${key} ${out.join(" ")}`,
      `xfrm policy add src ${any} dst ${any} ${into(transforms[0]!, 10)}`,
    ]),
    ...transforms.slice(1).flatMap((transform, i) =>
      innerOf(i + 1).map((proto) =>
        `xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 proto ${proto} ${into(transform, 1)}`
      )
    ),
  ];
}
