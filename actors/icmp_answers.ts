/** ICMP errors to inner senders whose packets a tunnel refused, within the kernel's rate limits. */
import { type Batch, INFO, LENGTH, OFFSET, REASON } from "../datapath/batch.ts";
import { DROP_ROWS } from "../datapath/drop_reason.ts";
import { icmp6Send, MAX_ICMP6_MESSAGE } from "../datapath/icmp/icmp6_send.ts";
import { type IcmpLimits, IcmpRateLimit, NOBODY, THIS_HOST } from "../datapath/icmp/icmp_rate_limit.ts";
import { icmpSend, icmpTos } from "../datapath/icmp/icmp_send.ts";
import * as icmp from "../datapath/wire/icmp.ts";
import * as icmpv6 from "../datapath/wire/icmpv6.ts";
import * as ipv4 from "../datapath/wire/ipv4.ts";
import * as ipv6 from "../datapath/wire/ipv6.ts";
import { sendIcmp4, sendIcmp6 } from "../ffi/icmp_socket.ts";
import type { TunnelView } from "./messages.ts";

/** Scratch for one message, and what the worker has sent. */
const message = new Uint8Array(MAX_ICMP6_MESSAGE);
const messageView = new DataView(message.buffer);
const limit = new IcmpRateLimit();

export class IcmpAnswers {
  readonly #fd: number;
  readonly #fd6: number;
  readonly #limits: IcmpLimits;

  /** Raw sockets and limits of the device's namespace. */
  constructor({ icmpFd, icmp6Fd, icmpLimits }: Pick<TunnelView, "icmpFd" | "icmp6Fd" | "icmpLimits">) {
    this.#fd = icmpFd;
    this.#fd6 = icmp6Fd;
    this.#limits = icmpLimits;
  }

  /**
   * Answers the sender of packet `i`, which was refused, if its reason asks for it: host or address unreachable as
   * ipv4_link_failure() and ip6_link_failure() do, or too big. `ifindex` is the device's.
   */
  answer(batch: Batch, i: number, ifindex: number, nowMs: number): void {
    const { answer } = DROP_ROWS[batch.i32[REASON + i]]!;
    if (answer === "") return;
    const tooBig = answer === "toobig";
    const version = ipv4.getVersion(batch.view, batch.i32[OFFSET + i]);
    if (version === 4) this.#answer4(batch, i, tooBig, nowMs);
    else if (version === 6) this.#answer6(batch, i, tooBig, ifindex, nowMs);
  }

  #answer4({ i32, view }: Batch, i: number, tooBig: boolean, nowMs: number): void {
    const at = i32[OFFSET + i];
    const code = tooBig ? icmp.FRAG_NEEDED : icmp.HOST_UNREACH;
    const info = tooBig ? i32[INFO + i] : 0;
    const bytes = icmpSend(view, at, i32[LENGTH + i], icmp.DEST_UNREACH, code, info, messageView);
    if (bytes === 0) return;
    const sender = view.getUint32(at + ipv4.SRC);
    const who = limit.allow(this.#limits, icmp.DEST_UNREACH, code, sender, nowMs);
    if (who === NOBODY) return;
    // From an address to itself: the kernel refuses that unless the address is this host's.
    sendIcmp4(this.#fd, sender, icmpTos(view, at), message, bytes, who === THIS_HOST ? sender : 0);
  }

  #answer6({ i32, view, u8 }: Batch, i: number, tooBig: boolean, ifindex: number, nowMs: number): void {
    const at = i32[OFFSET + i];
    const type = tooBig ? icmpv6.PACKET_TOO_BIG : icmpv6.DEST_UNREACH;
    const code = tooBig ? 0 : icmpv6.ADDR_UNREACH;
    const info = tooBig ? i32[INFO + i] : 0;
    const bytes = icmp6Send(view, at, i32[LENGTH + i], type, code, info, messageView);
    if (bytes === 0) return;
    const who = limit.allow6(this.#limits, type, view, at + ipv6.SRC, nowMs);
    if (who === NOBODY) return;
    const sender = u8.slice(at + ipv6.SRC, at + ipv6.DST);
    sendIcmp6(this.#fd6, sender, 0, message, bytes, ifindex, who === THIS_HOST);
  }
}
