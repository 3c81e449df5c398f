/** HMAC-SHA256 (RFC 2104) by Node's own cryptography. */
import { createHmac, createSecretKey } from "node:crypto";
import type { Hmac } from "../../middleware/signature/signing-keys.ts";

export const nodeHmac: Hmac<string> = (secret) => {
  const key = createSecretKey(secret);
  return (text) => createHmac("sha256", key).update(text).digest("base64");
};
