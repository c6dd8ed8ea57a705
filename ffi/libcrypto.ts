/**
 * OpenSSL's libcrypto 3: the calls that ESP transforms need.
 *
 * Hot calls take `pointer` and `i32` only, which the JIT passes in 3 to 4 ns each; the one size_t (HMAC_Update) is a
 * `u64` given a ready BigInt (esp_scratch.ts u64). HMAC_* and CMAC_* are deprecated in favour of EVP_MAC, but are in
 * every libcrypto.so.3 and re-initialise without allocating parameters.
 */

const symbols = {
  // Hot.
  EVP_EncryptInit_ex: { parameters: ["pointer", "pointer", "pointer", "pointer", "pointer"], result: "i32" },
  EVP_EncryptUpdate: { parameters: ["pointer", "pointer", "pointer", "pointer", "i32"], result: "i32" },
  EVP_EncryptFinal_ex: { parameters: ["pointer", "pointer", "pointer"], result: "i32" },
  EVP_DecryptInit_ex: { parameters: ["pointer", "pointer", "pointer", "pointer", "pointer"], result: "i32" },
  EVP_DecryptUpdate: { parameters: ["pointer", "pointer", "pointer", "pointer", "i32"], result: "i32" },
  EVP_DecryptFinal_ex: { parameters: ["pointer", "pointer", "pointer"], result: "i32" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "pointer"], result: "i32" },
  HMAC_Init_ex: { parameters: ["pointer", "pointer", "i32", "pointer", "pointer"], result: "i32" },
  HMAC_Update: { parameters: ["pointer", "pointer", "u64"], result: "i32" },
  HMAC_Final: { parameters: ["pointer", "pointer", "pointer"], result: "i32" },
  CMAC_Init: { parameters: ["pointer", "pointer", "u64", "pointer", "pointer"], result: "i32" },
  CMAC_Update: { parameters: ["pointer", "pointer", "u64"], result: "i32" },
  CMAC_Final: { parameters: ["pointer", "pointer", "pointer"], result: "i32" },

  // Cold.
  EVP_CIPHER_fetch: { parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  EVP_CIPHER_free: { parameters: ["pointer"], result: "void" },
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_CIPHER_CTX_set_padding: { parameters: ["pointer", "i32"], result: "i32" },
  EVP_CIPHER_CTX_set_key_length: { parameters: ["pointer", "i32"], result: "i32" },
  OSSL_LIB_CTX_new: { parameters: [], result: "pointer" },
  OSSL_PROVIDER_load: { parameters: ["pointer", "buffer"], result: "pointer" },
  EVP_get_digestbyname: { parameters: ["buffer"], result: "pointer" },
  HMAC_CTX_new: { parameters: [], result: "pointer" },
  HMAC_CTX_free: { parameters: ["pointer"], result: "void" },
  CMAC_CTX_new: { parameters: [], result: "pointer" },
  CMAC_CTX_free: { parameters: ["pointer"], result: "void" },
} as const;

export type Libcrypto = Deno.DynamicLibrary<typeof symbols>["symbols"];

/** Commands of EVP_CIPHER_CTX_ctrl (openssl/evp.h). */
export const EVP_CTRL_AEAD_SET_IVLEN = 0x9;
export const EVP_CTRL_AEAD_GET_TAG = 0x10;
export const EVP_CTRL_AEAD_SET_TAG = 0x11;

let loaded: Libcrypto | null | undefined;

/** Opens the library once for each thread; null when this host does not have it. */
export function loadLibcrypto(): Libcrypto | null {
  if (loaded === undefined) {
    try {
      loaded = Deno.dlopen("libcrypto.so.3", symbols).symbols;
    } catch (cause) {
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      loaded = null;
    }
  }
  return loaded;
}

let legacy: Deno.PointerValue | undefined;

/**
 * The library context that the old ciphers are fetched from, made once for each thread: a provider that is loaded into
 * the default one would turn off what that has by itself. The cipher is not found in it where the provider is not
 * installed.
 */
export function legacyContext(lib: Libcrypto): Deno.PointerValue {
  if (legacy === undefined) {
    legacy = lib.OSSL_LIB_CTX_new();
    lib.OSSL_PROVIDER_load(legacy, new TextEncoder().encode("legacy\0"));
  }
  return legacy;
}
