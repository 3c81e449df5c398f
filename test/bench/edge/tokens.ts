/** An issuer of access tokens (RFC 9068), signed with ES256. */
import { randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { SCOPES } from "./clients.ts";

export const ISSUER = "https://issuer.example.com/";
export const AUDIENCE = "https://api.example.com";

export interface TokenIssuer {
  /** Its public keys (RFC 7517 §5), as JSON. */
  readonly keySet: string;
  /** A new token that expires in an hour. */
  issue(subject: string): Promise<string>;
}

const header = { alg: "ES256", typ: "at+jwt", kid: "bench-1" };

export const createTokenIssuer = async (): Promise<TokenIssuer> => {
  const { publicKey, privateKey } = await generateKeyPair(header.alg);
  return {
    keySet: JSON.stringify({
      keys: [{ ...(await exportJWK(publicKey)), kid: header.kid, alg: header.alg, use: "sig" }],
    }),
    issue: (subject) =>
      new SignJWT({ client_id: "shop-app", scope: SCOPES.join(" ") })
        .setProtectedHeader(header)
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime("1h")
        .setJti(randomUUID())
        .sign(privateKey),
  };
};
