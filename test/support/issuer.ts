/** An issuer of access tokens: real keys, and a server that publishes them and counts who asks. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { serve } from "./listen.ts";

export const AUDIENCE = "https://api.example.com";

export interface Issuer {
  readonly url: string;
  /** How often its keys have been asked for. */
  readonly fetches: number;
  readonly publicJwk: JWK;
  /** For the edge. */
  readonly environment: Readonly<Record<string, string>>;
  /** A token for five minutes; what is given as undefined is left out. */
  token(
    claims?: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ): Promise<string>;
  /** From now on its keys cannot be had, or can. */
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
      const sound = {
        iss: url,
        aud: AUDIENCE,
        sub: "alice",
        exp: nowS + 300,
        scope: "orders:read orders:write",
      };
      return new SignJWT({ ...sound, ...claims })
        .setProtectedHeader({ alg: "ES256", kid, ...header })
        .sign(privateKey);
    },
    answerWith: (next) => {
      status = next;
    },
  };
};
