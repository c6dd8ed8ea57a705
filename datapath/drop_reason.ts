/**
 * Why a packet was refused, and what each cause counts: one row per cause, read by the datapath, the API, the
 * client, the metrics and their tests alike.
 *
 * `mib` is the counter of /proc/net/xfrm_stat, or null. `netdev` is what the tunnel's device counts, or "" when the
 * kernel counts nothing there: "rx" rx_errors and rx_dropped (vti_rcv_cb with err), "received" the same as a packet
 * that came through, "tx" tx_errors alone,
 * "carrier" tx_errors and tx_carrier_errors, "collision" tx_errors and collisions, "aborted" tx_errors and
 * tx_aborted_errors. `answer` is the ICMP error the inner sender gets: "unreachable" host unreachable,
 * "toobig" fragmentation needed or packet too big, "" none.
 */

/** Counters of /proc/net/xfrm_stat, in the order of the kernel (net/xfrm/xfrm_proc.c). */
export const XFRM_MIB = [
  "XfrmInError",
  "XfrmInBufferError",
  "XfrmInHdrError",
  "XfrmInNoStates",
  "XfrmInStateProtoError",
  "XfrmInStateModeError",
  "XfrmInStateSeqError",
  "XfrmInStateExpired",
  "XfrmInStateMismatch",
  "XfrmInStateInvalid",
  "XfrmInTmplMismatch",
  "XfrmInNoPols",
  "XfrmInPolBlock",
  "XfrmInPolError",
  "XfrmOutError",
  "XfrmOutBundleGenError",
  "XfrmOutBundleCheckError",
  "XfrmOutNoStates",
  "XfrmOutStateProtoError",
  "XfrmOutStateModeError",
  "XfrmOutStateSeqError",
  "XfrmOutStateExpired",
  "XfrmOutPolBlock",
  "XfrmOutPolDead",
  "XfrmOutPolError",
  "XfrmFwdHdrError",
  "XfrmOutStateInvalid",
  "XfrmAcquireError",
] as const; // deno-fmt-ignore
export type XfrmMib = (typeof XFRM_MIB)[number];

export type NetdevCount = "" | "rx" | "received" | "tx" | "carrier" | "collision" | "aborted";
export type IcmpAnswer = "" | "unreachable" | "toobig";
export interface DropRow {
  readonly name: string;
  readonly mib: XfrmMib | null;
  readonly netdev: NetdevCount;
  readonly answer: IcmpAnswer;
  readonly means: string;
}

const rows = {
  None: [null, "", "", "not dropped"],
  // Receive, in the order of the path.
  InTruncated: ["XfrmInHdrError", "", "", "outer packet shorter than its headers"],
  InNotEsp: [null, "", "", "a keepalive or an IKE message on the port for ESP in UDP"],
  InShortIpip: [null, "", "", "IPIP that is too short for an IP header"],
  InNoTunnel: ["XfrmInNoStates", "", "", "no tunnel that is up has these outer addresses"],
  InBareIpip: ["XfrmInNoStates", "rx", "", "IPIP that no IPComp SA has a companion for"],
  InOuterNoPols: [
    "XfrmInNoPols",
    "",
    "",
    "no inbound policy allows the outer packet, and the default is to block",
  ],
  InOuterPolBlock: ["XfrmInPolBlock", "", "", "a policy blocks the outer packet itself"],
  InOuterTmplMismatch: [
    "XfrmInTmplMismatch",
    "",
    "",
    "a policy with templates catches the outer packet itself",
  ],
  InHdrError: ["XfrmInHdrError", "rx", "", "too short for SPI and sequence number"],
  InNoStates: ["XfrmInNoStates", "rx", "", "no SA for mark, destination, SPI and protocol"],
  InAcquire: ["XfrmAcquireError", "rx", "", "the SA is still being negotiated"],
  InStateInvalid: ["XfrmInStateInvalid", "rx", "", "the SA is expired or dead"],
  InStateMismatch: ["XfrmInStateMismatch", "rx", "", "encapsulation or selector differs from the SA's"],
  InStateSeqError: ["XfrmInStateSeqError", "rx", "", "replayed, or older than the replay window"],
  InStateExpired: ["XfrmInStateExpired", "rx", "", "the SA reached its byte or packet limit"],
  InStateModeError: [
    "XfrmInStateModeError",
    "rx",
    "",
    "not tunnel mode, or an inner protocol the SA does not carry",
  ],
  InStateProtoError: ["XfrmInStateProtoError", "rx", "", "ICV wrong, or bad length or padding"],
  InBufferError: ["XfrmInBufferError", "rx", "", "more nested SAs or templates than allowed"],
  InNoPols: ["XfrmInNoPols", "rx", "", "no inbound policy allows the inner packet"],
  InTmplMismatch: ["XfrmInTmplMismatch", "rx", "", "the inbound policy asks for other SAs"],
  InPolBlock: ["XfrmInPolBlock", "rx", "", "an inbound policy blocks the inner packet"],
  InDeviceDown: [null, "", "", "the device went down or refused the packet"],
  // Transmit, in the order of the path.
  OutHeader: [null, "tx", "", "not IPv4 or IPv6, or shorter than its header"],
  OutNoPolicy: [null, "carrier", "unreachable", "no outbound policy for this flow and mark"],
  OutPolBlock: ["XfrmOutPolBlock", "carrier", "unreachable", "an outbound policy blocks the flow"],
  OutPolError: ["XfrmOutPolError", "carrier", "unreachable", "the policy's templates can't be resolved"],
  OutNoStates: ["XfrmOutNoStates", "carrier", "unreachable", "no SA for the policy's template"],
  OutBundleGenError: ["XfrmOutBundleGenError", "carrier", "unreachable", "no route to the peer"],
  OutStateCheck: [
    null,
    "carrier",
    "unreachable",
    "the SA is not tunnel mode, or not between the tunnel's ends",
  ],
  OutCollision: [null, "collision", "", "the route to the peer leads back into the tunnel"],
  OutTooBig: [null, "tx", "toobig", "longer than the SA's MTU and may not be fragmented"],
  OutStateInvalid: ["XfrmOutStateInvalid", "aborted", "", "the SA is expired or dead"],
  OutStateExpired: ["XfrmOutStateExpired", "aborted", "", "the SA reached its byte or packet limit"],
  OutStateSeqError: ["XfrmOutStateSeqError", "aborted", "", "the SA has no sequence number left"],
  OutStateProtoError: ["XfrmOutStateProtoError", "aborted", "", "encryption failed"],
  OutError: ["XfrmOutError", "aborted", "", "the kernel refused to send the outer packet"],
  // Overload and faults of the gateway itself; the kernel has no such thing.
  Lost: [null, "", "", "in flight in a worker that failed"],
  InPoison: ["XfrmInError", "rx", "", "its processing failed, or it equals one that made a worker hang"],
  OutPoison: ["XfrmOutError", "tx", "", "its processing failed, or it equals one that made a worker hang"],
  // What Linux' stack drops that came out of the device: by a policy that wants SAs, which it has no more.
  StackNoPols: ["XfrmInNoPols", "received", "", "no policy allows what comes out of the device"],
  StackTmplMismatch: [
    "XfrmInTmplMismatch",
    "received",
    "",
    "a policy asks for SAs of what comes out of the device",
  ],
  StackPolBlock: ["XfrmInPolBlock", "received", "", "a policy blocks what comes out of the device"],
} as const satisfies Record<string, readonly [XfrmMib | null, NetdevCount, IcmpAnswer, string]>; // deno-fmt-ignore

export type DropName = keyof typeof rows;

/** Number of each cause, as it stands in a packet's REASON field. */
export const DropReason = Object.fromEntries(Object.keys(rows).map((name, i) => [name, i])) as {
  readonly [K in DropName]: number;
};

/** The rows by number. */
export const DROP_ROWS: readonly DropRow[] = Object.entries(rows).map((
  [name, [mib, netdev, answer, means]],
) => ({
  name,
  mib,
  netdev,
  answer,
  means,
}));

/** Index into XFRM_MIB for each cause, -1 for none. */
export const DROP_MIB: Int32Array = Int32Array.from(
  DROP_ROWS,
  (r) => r.mib === null ? -1 : XFRM_MIB.indexOf(r.mib),
);
