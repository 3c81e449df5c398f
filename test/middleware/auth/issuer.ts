/** An issuer of tokens with real keys, a key set whose fetches are counted, and a clock that the test sets. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { onTestFinished, vi } from "vitest";
import { toBase64Url } from "../../../src/lib/encoding.ts";
import {
  createJwtVerifier,
  type JwtAlgorithm,
  type JwtVerifierOptions,
} from "../../../src/middleware/auth/jwt.ts";
import { requestReader } from "../support/app.ts";

export const ISSUER = "https://issuer.example/";
export const AUDIENCE = "https://api.example.com";
export const NOW_S = 1_800_000_000;

export interface IssuerKey {
  readonly algorithm: JwtAlgorithm;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];
  /** As published. */
  readonly jwk: JWK;
}

export const issuerKey = async (algorithm: JwtAlgorithm, kid?: string): Promise<IssuerKey> => {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return { algorithm, privateKey, jwk: kid === undefined ? jwk : { ...jwk, kid } };
};

/** The keys that the issuer publishes, and one of a stranger under a published key's name. */
export const createKeys = async () => {
  const [ec, rsa, ed, stranger] = await Promise.all([
    issuerKey("ES256", "ec"),
    issuerKey("RS256", "rsa"),
    issuerKey("EdDSA", "ed"),
    issuerKey("ES256", "ec"),
  ]);
  return { ec, rsa, ed, stranger };
};

export type Keys = Awaited<ReturnType<typeof createKeys>>;

export const soundClaims = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: "alice",
  exp: NOW_S + 300,
  scope: "orders:read orders:write",
};

export type Claims = Readonly<Record<string, unknown>>;

/** A token signed by the key; a claim that is undefined is left out. */
export const token = (
  key: IssuerKey,
  claims: Claims = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> =>
  new SignJWT({ ...soundClaims, ...claims })
    .setProtectedHeader({ alg: key.algorithm, ...(key.jwk.kid && { kid: key.jwk.kid }), ...header })
    .sign(key.privateKey);

export const base64Url = (text: string | Uint8Array): string =>
  toBase64Url(typeof text === "string" ? new TextEncoder().encode(text) : text);

/** Signs the text as it is, with ES256. */
export const signed = async (
  key: IssuerKey,
  payload: string | Uint8Array,
  header = JSON.stringify({ alg: "ES256", kid: "ec" }),
): Promise<string> => {
  const input = `${base64Url(header)}.${base64Url(payload)}`;
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(algorithm, key.privateKey, new TextEncoder().encode(input));
  return `${input}.${base64Url(new Uint8Array(signature))}`;
};

/** Lets pending work go on: signatures are verified on other threads. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
};

export const setOf = (...keys: readonly IssuerKey[]): { keys: JWK[] } => ({
  keys: keys.map(({ jwk }) => jwk),
});

/** An issuer that publishes all keys but the stranger's. */
export const issuerOf = ({ ec, rsa, ed }: Keys, options?: Partial<JwtVerifierOptions>): Bench =>
  bench(setOf(ec, rsa, ed), options);

/** Why the verifier rejects the token, or `proven`. */
export const reasonFrom = async ({ verify }: Bench, text: string): Promise<string> => {
  const result = await verify(text);
  return result.kind === "refused" ? result.reason : result.kind;
};

export const proven = (id: string) => ({
  kind: "proven",
  identity: { auth: "jwt", principal: { id, scopes: ["orders:read", "orders:write"] } },
});

export const refused = (reason: string) => ({ kind: "refused", reason, user: "anonymous" });

/** Rejects when the signal aborts, as `fetch` does. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

export const bench = (document: unknown, options: Partial<JwtVerifierOptions> = {}) => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW_S * 1_000 });
  onTestFinished(() => void vi.useRealTimers());
  const background: Promise<unknown>[] = [];
  const log: Readonly<Record<string, unknown>>[] = [];
  let response = async (): Promise<Response> => Response.json(document);
  let count = 0;
  const verifier = createJwtVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUrl: `${ISSUER}keys`,
    fetch: (_, init) => {
      count += 1;
      const { signal } = init ?? {};
      return signal ? Promise.race([response(), untilAborted(signal)]) : response();
    },
    now: () => Date.now(),
    log: (entry) => void log.push(entry),
    ...options,
  });
  if (verifier === undefined) throw new Error("the options name no issuer");
  const request = requestReader((work) => void background.push(work));
  const check = (text: string) => verifier(text, request);
  return {
    /** Work that continues after the response. */
    background,
    log,
    /** Number of fetches of the key set. */
    fetches: () => count,
    /** Publishes this document from now on. */
    publish: (next: unknown) => {
      response = async () => Response.json(next);
    },
    /** Responds like this from now on. */
    respond: (next: () => Promise<Response>) => {
      response = next;
    },
    check,
    verify: async (text: string) => check(text),
    /** Moves the clock, without timers. */
    advance: (ms: number) => void vi.setSystemTime(Date.now() + ms),
  };
};

export type Bench = ReturnType<typeof bench>;
