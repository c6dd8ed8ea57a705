/** What may go wrong with one packet: how the tunnel is set up, and what is done then. */
import { AH_WORDS, KEY_WORDS } from "./crafted_packets.ts";

export const LOCAL = "192.0.2.2", REMOTE = "192.0.2.1";
export const STRANGER = "192.0.2.99";
export const INNER_LOCAL = "10.9.0.2", INNER_REMOTE = "10.9.0.1";
export const SPI_IN = 0x1001, SPI_OUT = 0x2002;

export interface FailureCase {
  readonly name: string;
  /** Words of `ip`; after "system" for the system's own at both ends. */
  readonly words: readonly string[];
  /** What is done: the peer sends packets, or both ends run a program. */
  readonly steps: readonly (Uint8Array | string)[];
}

/** Words in place of those of a tunnel that works; "" leaves one out. */
export interface Setup {
  readonly link?: string;
  readonly proto?: "esp" | "ah";
  /** More words for the states. */
  readonly in?: string;
  readonly out?: string;
  readonly both?: string;
  readonly mode?: string;
  readonly mark?: string;
  readonly stateIn?: string;
  readonly stateOut?: string;
  readonly policyIn?: string;
  readonly policyOut?: string;
  /** More words at the end. */
  readonly then?: readonly string[];
}

/** Words that make a tunnel. */
export function tunnel(setup: Setup = {}): string[] {
  const { mark = "mark 7", mode = "tunnel", both = "", proto = "esp" } = setup;
  const algorithm = proto === "esp" ? KEY_WORDS : AH_WORDS;
  const state = (src: string, dst: string, spi: number, more = "") =>
    `xfrm state add src ${src} dst ${dst} proto ${proto} spi ${spi} mode ${mode} ${mark} ${more} ${both} ${algorithm}`;
  const policy = (dir: string, src: string, dst: string) =>
    `xfrm policy add dir ${dir} ${mark} tmpl src ${src} dst ${dst} proto ${proto} mode tunnel`;
  return [
    `link add vti1 type vti ${setup.link ?? `local ${LOCAL} remote ${REMOTE} key 7`}`,
    "system addr add 10.9.0.2/24 dev vti1",
    "system addr add 2001:db8:9::2/64 dev vti1 nodad",
    "link set vti1 up",
    setup.stateIn ?? state(REMOTE, LOCAL, SPI_IN, `replay-window 32 ${setup.in ?? ""}`),
    setup.stateOut ?? state(LOCAL, REMOTE, SPI_OUT, setup.out),
    setup.policyIn ?? policy("in", REMOTE, LOCAL),
    setup.policyOut ?? policy("out", LOCAL, REMOTE),
    ...setup.then ?? [],
  ].filter((words) => words !== "");
}

/** For Setup.then. */
export const V6_POLICIES = [
  `xfrm policy add src ::/0 dst ::/0 dir out mark 7 tmpl src ${LOCAL} dst ${REMOTE} proto esp mode tunnel`,
  `xfrm policy add src ::/0 dst ::/0 dir in mark 7 tmpl src ${REMOTE} dst ${LOCAL} proto esp mode tunnel`,
];

/** For Setup.both. */
export const ESPINUDP = "encap espinudp 4500 4500 0.0.0.0";
/** A tunnel by AH, padded as RFC 4302 has it. */
export const AH: Setup = { proto: "ah", both: "flag align4" };
