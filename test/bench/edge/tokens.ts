/** An issuer of access tokens (RFC 9068), signed with ES256. */
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { SCOPES } from "./clients.ts";

export const ISSUER = "https://issuer.example.com/";
export const AUDIENCE = "https://api.example.com";

export interface TokenIssuer {
  /** Its public keys (RFC 7517 §5), as JSON. */
  readonly keySet: string;
  /** A new token, good for an hour. */
  issue(subject: string): string;
}

const KEY_ID = "bench-1";
const LIFETIME_S = 3_600;

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export const createTokenIssuer = (): TokenIssuer => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const header = encoded({ alg: "ES256", typ: "at+jwt", kid: KEY_ID });
  const key = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;
  return {
    keySet: JSON.stringify({
      keys: [{ ...publicKey.export({ format: "jwk" }), kid: KEY_ID, alg: "ES256", use: "sig" }],
    }),
    issue: (subject) => {
      const nowS = Math.floor(Date.now() / 1_000);
      const claims = {
        iss: ISSUER,
        aud: AUDIENCE,
        sub: subject,
        client_id: "shop-app",
        scope: SCOPES.join(" "),
        iat: nowS,
        exp: nowS + LIFETIME_S,
        jti: randomUUID(),
      };
      const signed = `${header}.${encoded(claims)}`;
      return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
    },
  };
};
