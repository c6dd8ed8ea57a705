/**
 * Netlink messages: building requests and taking answers apart (linux/netlink.h). Numbers are little-endian, as the
 * processor has them. Pure; the parsers answer any bytes without throwing.
 */

/** struct nlmsghdr: length (4), type (2), flags (2), sequence number (4), port (4). */
export const NLMSGHDR_BYTES = 16;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x001;
export const NLM_F_ACK = 0x004;
export const NLM_F_DUMP = 0x300;
/** In an answer: the dump is not consistent, something changed meanwhile. */
export const NLM_F_DUMP_INTR = 0x010;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** In an error: attributes follow. */
const NLM_F_ACK_TLVS = 0x200;

const ATTR_HEADER_BYTES = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
/** nlmsgerr: errno (4) and the header of the request, whose payload NETLINK_CAP_ACK leaves out. */
const NLMSGERR_BYTES = 4 + NLMSGHDR_BYTES;
const NLMSGERR_ATTR_MSG = 1;

const align4 = (n: number): number => (n + 3) & ~3;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A request under construction. Values of a wrong size are the caller's fault and throw RangeError. */
export class NetlinkRequest {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = NLMSGHDR_BYTES;

  constructor(readonly type: number, readonly flags: number) {}

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  attr(type: number, value: Uint8Array): this {
    this.#attrHeader(type, value.length);
    const at = this.#grow(align4(value.length));
    this.#bytes.set(value, at);
    return this;
  }

  attrU8(type: number, value: number): this {
    return this.attr(type, Uint8Array.of(value));
  }

  attrU32(type: number, value: number): this {
    this.#attrHeader(type, 4);
    return this.u32(value);
  }

  /** A string with its NUL. */
  attrString(type: number, value: string): this {
    return this.attr(type, encoder.encode(`${value}\0`));
  }

  /** An attribute that holds what `fill` writes. */
  nest(type: number, fill: (request: this) => void): this {
    const start = this.#length;
    this.#attrHeader(type | NLA_F_NESTED, 0);
    fill(this);
    this.#view.setUint16(start, this.#length - start, true);
    return this;
  }

  /** The finished message. */
  finish(sequence: number): Uint8Array<ArrayBuffer> {
    this.#view.setUint32(0, this.#length, true);
    this.#view.setUint16(4, this.type, true);
    this.#view.setUint16(6, this.flags | NLM_F_REQUEST, true);
    this.#view.setUint32(8, sequence, true);
    return this.#bytes.subarray(0, this.#length);
  }

  #attrHeader(type: number, bytes: number): void {
    if (bytes > 0xffff - ATTR_HEADER_BYTES) {
      throw new RangeError(`Write a netlink attribute: ${bytes} bytes, too long`);
    }
    this.u16(ATTR_HEADER_BYTES + bytes).u16(type);
  }

  /** Makes room for `bytes` zero bytes and returns where. May replace #bytes and #view: call it first. */
  #grow(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** One message inside what was received. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Payload: where it starts and ends in `view`. */
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

/**
 * Goes through the messages of a datagram: 1. a header must fit, 2. its length must hold at least the header and stay
 * inside the datagram, else the rest is ignored, 3. the next one starts at a multiple of 4.
 */
export function* netlinkMessages(datagram: Uint8Array): Generator<NetlinkMessage> {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  let at = 0;
  while (at + NLMSGHDR_BYTES <= view.byteLength) {
    const length = view.getUint32(at, true);
    if (length < NLMSGHDR_BYTES || length > view.byteLength - at) return;
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      view,
      start: at + NLMSGHDR_BYTES,
      end: at + length,
    };
    at += align4(length);
  }
}

/** Attributes of one message or one nest, by type; the last of a type counts, as in the kernel's parser. */
export class NetlinkAttributes {
  readonly #view: DataView;
  readonly #at = new Map<number, readonly [start: number, end: number]>();

  /** Takes apart bytes `start` to `end`; from the first malformed attribute on, the rest is ignored. */
  constructor(view: DataView, start: number, end: number) {
    this.#view = view;
    let at = start;
    while (at + ATTR_HEADER_BYTES <= end) {
      const length = view.getUint16(at, true);
      if (length < ATTR_HEADER_BYTES || length > end - at) return;
      this.#at.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, [at + ATTR_HEADER_BYTES, at + length]);
      at += align4(length);
    }
  }

  has(type: number): boolean {
    return this.#at.has(type);
  }

  u8(type: number): number | undefined {
    const at = this.#find(type, 1);
    return at < 0 ? undefined : this.#view.getUint8(at);
  }

  u32(type: number): number | undefined {
    const at = this.#find(type, 4);
    return at < 0 ? undefined : this.#view.getUint32(at, true);
  }

  /** A copy of the value. */
  bytes(type: number): Uint8Array<ArrayBuffer> | undefined {
    const range = this.#at.get(type);
    if (range === undefined) return undefined;
    const { buffer, byteOffset } = this.#view;
    return new Uint8Array(buffer, byteOffset + range[0], range[1] - range[0]).slice();
  }

  /** Text up to the first NUL. */
  string(type: number): string | undefined {
    const bytes = this.bytes(type);
    if (bytes === undefined) return undefined;
    const end = bytes.indexOf(0);
    return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  nest(type: number): NetlinkAttributes | undefined {
    const range = this.#at.get(type);
    return range === undefined ? undefined : new NetlinkAttributes(this.#view, range[0], range[1]);
  }

  #find(type: number, bytes: number): number {
    const range = this.#at.get(type);
    return range === undefined || range[1] - range[0] < bytes ? -1 : range[0];
  }
}

/** What an NLMSG_ERROR message says: errno, 0 for an acknowledgement, and the kernel's own words where it has some. */
export function netlinkError(
  message: NetlinkMessage,
): { readonly errno: number; readonly text: string | undefined } {
  const { view, start, end, flags } = message;
  if (end - start < NLMSGERR_BYTES) return { errno: 0, text: undefined };
  const errno = -view.getInt32(start, true);
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
  return { errno, text: new NetlinkAttributes(view, start + NLMSGERR_BYTES, end).string(NLMSGERR_ATTR_MSG) };
}
