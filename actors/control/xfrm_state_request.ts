/**
 * Turns a request for an SA into the parts of its record, with the checks and errors of verify_newsa_info(),
 * xfrm_state_construct() and the transforms' init_state(), in the kernel's order.
 */
import type { AllocSpiRequest, XfrmMark, XfrmStateId, XfrmStateRequest } from "../gateway.ts";
import type { EspTransformSpec } from "../../datapath/esp/aead.ts";
import type { AddressWords, MarkRecord, SelectorRecord } from "../../datapath/xfrm/xfrm_record.ts";
import {
  AF_INET,
  AF_UNSPEC,
  IPPROTO_AH,
  IPPROTO_COMP,
  IPPROTO_ESP,
  XfrmExtraFlagBit,
  XfrmStateFlagBit,
} from "../../datapath/xfrm/xfrm_record.ts";
import { ANY_WORDS, formatIpAddress, type IpFamily, parseIpAddress } from "./ip_address.ts";
import { fail, ok, type Result } from "./kernel_error.ts";
import { AEAD_ALGOS, AUTH_ALGOS, COMP_ALGOS, ENC_ALGOS, findAlgo } from "./xfrm_algo.ts";
import { parseKey, zeroKeys } from "./xfrm_key.ts";
import { anySelector, type Devices, parseSelector } from "./xfrm_selector.ts";

/** Packets of the largest replay window (XFRMA_REPLAY_ESN_MAX). */
export const MAX_REPLAY_WINDOW = 4096;
/** Packets of the largest window of the legacy replay check (a u32 bitmap). */
export const MAX_LEGACY_WINDOW = 32;
/** An IPComp CPI has 16 bits (RFC 3173 §3.3). */
const CPI_END = 0x10000;

export const PROTO_NUMBER = { esp: IPPROTO_ESP, ah: IPPROTO_AH, comp: IPPROTO_COMP } as const;
/** UDP_ENCAP_* (include/uapi/linux/udp.h). */
export const ENCAP_TYPE = { "espinudp-nonike": 1, espinudp: 2, espintcp: 7 } as const;

export type TransformSpec = Omit<EspTransformSpec, "direction">;

/** struct xfrm_id and props.saddr: what a request says of an SA's place. */
export interface StatePlace {
  readonly family: IpFamily;
  readonly saddr: AddressWords;
  readonly daddr: AddressWords;
  readonly proto: number;
  readonly mark: MarkRecord;
}

export function parsePlace(id: Omit<XfrmStateId, "spi">): Result<StatePlace> {
  const src = parseIpAddress(id.src);
  const dst = parseIpAddress(id.dst);
  if (src === null) return invalid(`${id.src} is no address`, "src");
  if (dst === null) return invalid(`${id.dst} is no address`, "dst");
  if (src.family !== dst.family) return invalid("src and dst are of different families", "dst");
  return ok({
    family: dst.family,
    saddr: src.words,
    daddr: dst.words,
    proto: PROTO_NUMBER[id.proto],
    mark: markRecord(id.mark),
  });
}

/** Bits outside the mask are forgotten (xfrm_mark_get). */
export function markRecord(mark: XfrmMark | undefined): MarkRecord {
  return mark === undefined
    ? { value: 0, mask: 0 }
    : { value: (mark.value & mark.mask) >>> 0, mask: mark.mask };
}

/** null for a mark that says nothing: it is neither sent nor listed. */
export function markInfo(mark: MarkRecord | null): XfrmMark | null {
  return mark === null || (mark.value === 0 && mark.mask === 0) ? null : mark;
}

export function stateFlags(request: Partial<Pick<XfrmStateRequest, "flags">>): number {
  return (request.flags ?? []).reduce((bits, flag) => bits | XfrmStateFlagBit[flag], 0);
}

export function stateExtraFlags(request: XfrmStateRequest): number {
  return (request.extra_flags ?? []).reduce((bits, flag) => bits | XfrmExtraFlagBit[flag], 0);
}

export function replayKind(request: XfrmStateRequest): "legacy" | "bitmap" | "esn" {
  if (request.flags?.includes("esn")) return "esn";
  // iproute2 sends the bitmap attribute only for windows that the legacy field can't hold.
  return (request.replay_window ?? 0) > MAX_LEGACY_WINDOW ? "bitmap" : "legacy";
}

/** The selector of the SA itself: that of the request, or everything of the SA's family (of both: af-unspec). */
export function stateSelector(
  request: XfrmStateRequest,
  family: IpFamily,
  devices: Devices,
): Result<SelectorRecord> {
  if (request.sel !== undefined) return parseSelector(request.sel, devices, "sel");
  return ok(anySelector(request.flags?.includes("af-unspec") ? AF_UNSPEC : family));
}

/** Which attributes the protocol needs and refuses, the replay window and the mode (verify_newsa_info). */
export function verifyNewsaInfo(request: XfrmStateRequest): Result<void> {
  const byProto = { esp: verifyEsp, ah: verifyAh, comp: verifyComp }[request.proto](request);
  if (!byProto.ok) return byProto;
  const replay = verifyReplay(request);
  if (!replay.ok) return replay;
  if (request.mode === "in_trigger") return invalid("mode in_trigger is for no SA", "mode");
  return ok(undefined);
}

/** The algorithms with canonical names and parsed keys (attach_aead and its like). */
export function attachAlgorithms(request: XfrmStateRequest): Result<TransformSpec> {
  const esn = request.flags?.includes("esn") ?? false;
  const aead = attachAead(request.aead);
  const auth = attachAuth(request.auth);
  const enc = attachEnc(request.enc);
  const comp = attachComp(request.comp);
  const transform: TransformSpec = {
    esn,
    ...(aead.ok && aead.value && { aead: aead.value }),
    ...(auth.ok && auth.value && { auth: auth.value }),
    ...(enc.ok && enc.value && { enc: enc.value }),
  };
  for (const attached of [aead, auth, enc, comp]) {
    if (attached.ok) continue;
    zeroKeys(transform);
    return attached;
  }
  return ok(transform);
}

/** What the mode and the transform refuse once the algorithms are there (__xfrm_init_state, init_state). */
export function verifyInitState(
  request: XfrmStateRequest,
  family: IpFamily,
  sel: SelectorRecord,
): Result<void> {
  const mode = request.mode ?? "transport";
  const isTunnel = mode === "tunnel" || mode === "beet";
  if (mode === "ro" && family === AF_INET) {
    return unsupported("mode ro is for IPv6 only", "mode", "Requested mode not found");
  }
  if (!isTunnel && sel.family !== AF_UNSPEC && sel.family !== family) {
    const state = `the selector is of another family than the SA, and mode is ${mode}`;
    return unsupported(state, "sel", "Only tunnel modes can accommodate a change of family");
  }
  if (request.encap !== undefined) {
    if (request.proto !== "esp") {
      const name = request.proto === "ah" ? "AH" : "IPComp";
      const state = `encap is for esp, proto is ${request.proto}`;
      return invalid(state, "encap", `${name} is not compatible with encapsulation`);
    }
    if (parseIpAddress(request.encap.oaddr) === null) {
      return invalid(`${request.encap.oaddr} is no address`, "encap.oaddr");
    }
  }
  if (request.proto === "esp" && request.enc === undefined && request.aead === undefined) {
    return invalid("esp without enc or aead", "enc");
  }
  if (request.proto === "comp" && mode !== "tunnel" && mode !== "transport") {
    return invalid(`comp is for modes tunnel and transport, mode is ${mode}`, "mode");
  }
  return ok(undefined);
}

/** What the kernel refuses once the algorithms have their keys (the end of esp_init_state, xfrm_dev_state_add). */
export function verifyKeyedState({ encap, offload }: XfrmStateRequest): Result<void> {
  if (encap?.type === "espintcp") {
    return invalid("esp in TCP is not there", "encap.type", "Unsupported encapsulation type for ESP");
  }
  if (offload !== undefined) {
    return invalid("no device encrypts by itself", "offload", "Type doesn't support offload");
  }
  return ok(undefined);
}

/** The original address of an SA in UDP is as long as the SA's own. */
export function encapInfo(encap: XfrmStateRequest["encap"], family: IpFamily): XfrmStateRequest["encap"] {
  if (encap === undefined) return undefined;
  const words = parseIpAddress(encap.oaddr)?.words ?? ANY_WORDS;
  return { ...encap, oaddr: formatIpAddress(family, words) };
}

/** Range of SPIs to choose from (verify_spi_info); the defaults are iproute2's. */
export function spiRange(request: AllocSpiRequest): Result<{ readonly min: number; readonly max: number }> {
  const min = request.min ?? 0x100;
  const max = request.max ?? (request.proto === "comp" ? 0xffff : 0x0fffffff);
  if (request.proto === "comp" && max >= CPI_END) return invalid(`max ${max} is more than 16 bits`, "max");
  if (min > max) return invalid(`min ${min} is larger than max ${max}`, "min");
  return ok({ min, max });
}

function verifyEsp(request: XfrmStateRequest): Result<void> {
  if (request.comp) return invalid("comp is not for esp", "comp", "Invalid attribute for ESP: COMP");
  if (!request.auth && !request.enc && !request.aead) {
    const extack = "Missing required attribute for ESP: at least one of AUTH, AUTH_TRUNC, CRYPT, AEAD";
    return invalid("esp without enc or aead", "enc", extack);
  }
  if (request.aead && (request.auth || request.enc)) {
    const extack = "Invalid attribute combination for ESP: AEAD can't be used with AUTH, AUTH_TRUNC, CRYPT";
    return invalid("aead excludes enc and auth", "aead", extack);
  }
  if (request.tfcpad && request.mode !== "tunnel") {
    return invalid("tfcpad is for mode tunnel", "tfcpad", "TFC padding can only be used in tunnel mode");
  }
  return ok(undefined);
}

function verifyAh(request: XfrmStateRequest): Result<void> {
  if (!request.auth) {
    return invalid("ah without auth", "auth", "Missing required attribute for AH: AUTH_TRUNC or AUTH");
  }
  const extack = "Invalid attributes for AH: AEAD, CRYPT, COMP, TFCPAD";
  return refuse(request, ["aead", "enc", "comp", "tfcpad"], extack);
}

function verifyComp(request: XfrmStateRequest): Result<void> {
  if (!request.comp) {
    return invalid("comp without an algorithm", "comp", "Missing required attribute for COMP: COMP");
  }
  const extack = "Invalid attributes for COMP: AEAD, AUTH, AUTH_TRUNC, CRYPT, TFCPAD";
  const refused = refuse(request, ["aead", "auth", "enc", "tfcpad"], extack);
  if (!refused.ok || request.spi < CPI_END) return refused;
  return invalid("a CPI has 16 bits", "spi", "SPI is too large for COMP (must be < 0x10000)");
}

function refuse(
  request: XfrmStateRequest,
  attributes: readonly ("aead" | "auth" | "enc" | "comp" | "tfcpad")[],
  extack: string,
): Result<void> {
  const name = attributes.find((a) => request[a] !== undefined && request[a] !== 0);
  return name === undefined ? ok(undefined) : invalid(`${name} is not for ${request.proto}`, name, extack);
}

/** verify_replay and xfrm_init_replay. */
function verifyReplay(request: XfrmStateRequest): Result<void> {
  const window = request.replay_window ?? 0;
  const kind = replayKind(request);
  if (window > MAX_REPLAY_WINDOW) {
    return invalid(`window is larger than ${MAX_REPLAY_WINDOW}`, "replay_window");
  }
  if (kind !== "legacy" && request.proto === "comp") {
    const attribute = kind === "esn" ? "flags" : "replay_window";
    return invalid("comp has no sequence numbers", attribute, "ESN only supported for ESP and AH");
  }
  if (kind === "esn" && window === 0) return invalid("esn without a window", "replay_window");
  return ok(undefined);
}

function attachAead(aead: XfrmStateRequest["aead"]): Result<TransformSpec["aead"]> {
  if (aead === undefined) return ok(undefined);
  const row = AEAD_ALGOS.find((r) => r.name === aead.name && r.icvBits.includes(aead.icv_bits));
  if (row === undefined) return unknown("AEAD", `${aead.name} with ${aead.icv_bits} bits of ICV`, "aead");
  const key = parseKey(aead.key);
  return key === null ? badKey("aead.key") : ok({ name: row.name, key, icvBits: aead.icv_bits });
}

function attachAuth(auth: XfrmStateRequest["auth"]): Result<TransformSpec["auth"]> {
  if (auth === undefined) return ok(undefined);
  const asked = auth.trunc_bits ?? 0;
  const row = findAlgo(AUTH_ALGOS, auth.name);
  // iproute2's `auth` and `auth-trunc` are two attributes, each with its own words for this.
  if (row === undefined) {
    return unknown(auth.trunc_bits === undefined ? "AUTH" : "AUTH_TRUNC", auth.name, "auth.name");
  }
  if (asked > row.fullBits) {
    const state = `the ICV of ${row.name} has ${row.fullBits} bits, asked for ${asked}`;
    return invalid(state, "auth.trunc_bits", "Invalid length requested for truncated ICV");
  }
  if (asked > 0 && asked < 8) {
    const extack = "Kernel was unable to initialize cryptographic operations";
    return invalid("an ICV of no byte", "auth.trunc_bits", extack);
  }
  const key = parseKey(auth.key);
  return key === null ? badKey("auth.key") : ok({ name: row.name, key, truncBits: asked || row.truncBits });
}

function attachEnc(enc: XfrmStateRequest["enc"]): Result<TransformSpec["enc"]> {
  if (enc === undefined) return ok(undefined);
  const row = findAlgo(ENC_ALGOS, enc.name);
  if (row === undefined) return unknown("CRYPT", enc.name, "enc.name");
  const key = parseKey(enc.key);
  return key === null ? badKey("enc.key") : ok({ name: row.name, key });
}

function attachComp(comp: XfrmStateRequest["comp"]): Result<void> {
  if (comp === undefined || findAlgo(COMP_ALGOS, comp.name) !== undefined) return ok(undefined);
  return unknown("COMP", comp.name, "comp.name");
}

function invalid<T = never>(state: string, attribute: string, extack?: string): Result<T> {
  return fail("EINVAL", `Cannot make SA: ${state}`, attribute, extack);
}

function unsupported<T = never>(state: string, attribute: string, extack: string): Result<T> {
  return fail("EPROTONOSUPPORT", `Cannot make SA: ${state}`, attribute, extack);
}

function unknown<T = never>(kind: string, name: string, attribute: string): Result<T> {
  const extack = `Requested ${kind} algorithm not found`;
  return fail("ENOSYS", `Cannot make SA: no algorithm ${name}`, attribute, extack);
}

/** Says nothing of the key itself. */
function badKey<T = never>(attribute: string): Result<T> {
  return invalid("the key is not hex after 0x, or longer than 512 bytes", attribute);
}
