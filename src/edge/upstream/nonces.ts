import { toBase64Url } from "../../lib/encoding.ts";

const NONCE_BYTES = 16;

/** Nonces that no other isolate makes: random bytes are drawn once per isolate, then counted on. */
export const nonces = (): (() => string) => {
  let prefix: string | undefined;
  let count = 0;
  return () => {
    // Workers forbid randomness outside a request.
    prefix ??= toBase64Url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
    count += 1;
    return `${prefix}${count.toString(36)}`;
  };
};
