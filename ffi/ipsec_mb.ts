/**
 * Intel's libIPSec_MB 1.x: AES-GCM in one call.
 *
 * The library exports one symbol for each instruction set, and the wrong one ends the process. The right one is what
 * the library's own manager chose: it detects the processor and stores function pointers (struct IMB_MGR,
 * intel-ipsec-mb.h). The symbol whose address is the stored pointer, for all nine functions of one set, is taken; that
 * it stands where this file looks for it also proves the layout. Then a known answer proves the functions. Whatever
 * does not fit means: not available.
 */
import { cString } from "./libc.ts";

export const SONAME = "libIPSec_MB.so.1";
const RTLD_NOW = 2;

/** Sets of AES-GCM functions, by the suffix of their symbols. The one without AES instructions is left out: slow. */
const GCM_SETS = ["vaes_avx512", "avx512", "avx_gen4", "avx_gen2", "sse"] as const;

/** Offsets into struct IMB_MGR of the GCM function pointers. */
const GCM_POINTERS = {
  aes_gcm_enc_128: 256,
  aes_gcm_enc_192: 264,
  aes_gcm_enc_256: 272,
  aes_gcm_dec_128: 280,
  aes_gcm_dec_192: 288,
  aes_gcm_dec_256: 296,
  aes_gcm_pre_128: 448,
  aes_gcm_pre_192: 456,
  aes_gcm_pre_256: 464,
} as const;

/** struct gcm_key_data: 15 round keys and up to 48 powers of the hash key; aligned to 64. */
const GCM_KEY_BYTES = 1024;
/** struct gcm_context_data. */
const GCM_CONTEXT_BYTES = 128;
/** Alignment of the library's structs. */
const ALIGNMENT = 64;

/** key data, context, out, in, length, nonce, AAD, length, tag, length. Lengths beyond the sixth lie on the stack as 64 bits. */
const gcmCall = {
  parameters: [
    "pointer",
    "pointer",
    "pointer",
    "pointer",
    "u64",
    "pointer",
    "pointer",
    "u64",
    "pointer",
    "u64",
  ],
  result: "void",
} as const;
const precompute = { parameters: ["pointer", "pointer"], result: "void" } as const;

function gcmSymbols(set: string) {
  return {
    enc128: { ...gcmCall, name: `aes_gcm_enc_128_${set}` },
    enc192: { ...gcmCall, name: `aes_gcm_enc_192_${set}` },
    enc256: { ...gcmCall, name: `aes_gcm_enc_256_${set}` },
    dec128: { ...gcmCall, name: `aes_gcm_dec_128_${set}` },
    dec192: { ...gcmCall, name: `aes_gcm_dec_192_${set}` },
    dec256: { ...gcmCall, name: `aes_gcm_dec_256_${set}` },
    pre128: { ...precompute, name: `aes_gcm_pre_128_${set}` },
    pre192: { ...precompute, name: `aes_gcm_pre_192_${set}` },
    pre256: { ...precompute, name: `aes_gcm_pre_256_${set}` },
  } as const;
}

/** The nine functions of one instruction set. */
export type GcmFunctions = Deno.DynamicLibrary<ReturnType<typeof gcmSymbols>>["symbols"];

const managerSymbols = {
  alloc_mb_mgr: { parameters: ["u64"], result: "pointer" },
  init_mb_mgr_auto: { parameters: ["pointer", "pointer"], result: "void" },
  free_mb_mgr: { parameters: ["pointer"], result: "void" },
  imb_get_version: { parameters: [], result: "u32" },
} as const;

const linkerSymbols = {
  dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
  dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
} as const;

/** Zeroed memory at an address that is a multiple of 64. */
export interface AlignedMemory {
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly pointer: Deno.PointerObject;
}

export function alignedMemory(bytes: number): AlignedMemory {
  const buffer = new ArrayBuffer(bytes + ALIGNMENT);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer)));
  const skip = Number(-address & BigInt(ALIGNMENT - 1));
  return {
    u8: new Uint8Array(buffer, skip, bytes),
    pointer: Deno.UnsafePointer.create(address + BigInt(skip))!,
  };
}

/**
 * The context of the call under way; nothing in it outlives the call. Exported whole: memory that only a pointer leads
 * to would be collected.
 */
export const gcmContext = alignedMemory(GCM_CONTEXT_BYTES);

/** Key schedule and hash key powers of one AES key. */
export function expandGcmKey(gcm: GcmFunctions, key: Uint8Array): AlignedMemory {
  const expanded = alignedMemory(GCM_KEY_BYTES);
  const held = new Uint8Array(new ArrayBuffer(32));
  held.set(key);
  const expand = { 16: gcm.pre128, 24: gcm.pre192, 32: gcm.pre256 }[key.length];
  if (expand === undefined) {
    throw new RangeError(`Expand a GCM key: ${key.length} bytes, 16, 24 or 32 are needed`);
  }
  expand(Deno.UnsafePointer.of(held), expanded.pointer);
  held.fill(0);
  return expanded;
}

/** The library with a manager made for this processor. The manager lives as long as the thread. */
export interface IpsecMb {
  readonly gcm: GcmFunctions;
  readonly manager: Deno.PointerObject;
  /** imb_get_version(): major << 16 | minor << 8 | patch. */
  readonly version: number;
  /** The name among `candidates` whose symbol is the function that the manager holds at `offset`; null for none. */
  nameAt(offset: number, candidates: readonly string[]): string | null;
}

let loaded: IpsecMb | null | undefined;

/** Opens the library once for each thread; null when it is missing or holds functions that this file does not know. */
export function loadIpsecMb(): IpsecMb | null {
  if (loaded === undefined) {
    try {
      loaded = Deno.build.arch === "x86_64" ? open() : null;
    } catch (cause) {
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      loaded = null;
    }
  }
  return loaded;
}

/** Throws when the library is missing. */
function open(): IpsecMb | null {
  const library = Deno.dlopen(SONAME, managerSymbols).symbols;
  const linker = Deno.dlopen("libc.so.6", linkerSymbols).symbols;
  const manager = library.alloc_mb_mgr(0n);
  if (manager === null) return null;
  library.init_mb_mgr_auto(manager, null);
  const view = new Deno.UnsafePointerView(manager);
  const handle = linker.dlopen(cString(SONAME), RTLD_NOW);
  const nameAt = (offset: number, candidates: readonly string[]) =>
    candidates.find((name) => {
      const symbol = linker.dlsym(handle, cString(name));
      return symbol !== null && Deno.UnsafePointer.value(symbol) === view.getBigUint64(offset);
    }) ?? null;
  const set = GCM_SETS.find((set) =>
    Object.entries(GCM_POINTERS).every(([name, offset]) => nameAt(offset, [`${name}_${set}`]) !== null)
  );
  if (set === undefined) {
    library.free_mb_mgr(manager);
    return null;
  }
  const gcm = Deno.dlopen(SONAME, gcmSymbols(set)).symbols;
  return { gcm, manager, version: library.imb_get_version(), nameAt };
}
