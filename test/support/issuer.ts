/** An issuer of access tokens: real keys, and a server that publishes them and counts its requests. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { serve } from "./listen.ts";

export const AUDIENCE = "https://api.example.com";

export interface Issuer {
  readonly url: string;
  /** Requests for its keys so far. */
  readonly fetches: number;
  readonly publicJwk: JWK;
  /** For the edge. */
  readonly environment: Readonly<Record<string, string>>;
  /** A token for five minutes; a claim of undefined is omitted. */
  token(
    claims?: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ): Promise<string>;
  /** The status of further requests for its keys. */
  answerWith(status: number): void;
  stop(): Promise<void>;
}

export const startIssuer = async (kid = "first"): Promise<Issuer> => {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" };
  let fetches = 0;
  let status = 200;
  const { url, stop } = await serve((_, response) => {
    fetches += 1;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ keys: [publicJwk] }));
  });
  return {
    url,
    stop,
    publicJwk,
    get fetches() {
      return fetches;
    },
    environment: { JWT_ISSUER: url, JWT_AUDIENCE: AUDIENCE, JWT_JWKS_URL: `${url}/keys` },
    token: (claims = {}, header = {}) => {
      const nowS = Math.floor(Date.now() / 1_000);
      const valid = {
        iss: url,
        aud: AUDIENCE,
        sub: "alice",
        exp: nowS + 300,
        scope: "orders:read orders:write",
      };
      return new SignJWT({ ...valid, ...claims })
        .setProtectedHeader({ alg: "ES256", kid, ...header })
        .sign(privateKey);
    },
    answerWith: (next) => {
      status = next;
    },
  };
};
