/** An issuer of tokens with real keys, a server that counts fetches of its key set, and a clock that the test sets. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { onTestFinished, vi } from "vitest";
import {
  createJwtVerifier,
  type JwtAlgorithm,
  type JwtVerifierOptions,
} from "../../../src/middleware/auth/jwt.ts";
import type { AuthResult } from "../../../src/middleware/auth/principal.ts";
import { requestReader } from "../support/app.ts";

export const ISSUER = "https://issuer.example/";
export const AUDIENCE = "https://api.example.com";
export const NOW_S = 1_800_000_000;

export type SigningKey = Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];

export interface IssuerKey {
  readonly algorithm: JwtAlgorithm;
  readonly privateKey: SigningKey;
  /** As published. */
  readonly jwk: JWK;
}

export const issuerKey = async (algorithm: JwtAlgorithm, kid?: string): Promise<IssuerKey> => {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return { algorithm, privateKey, jwk: kid === undefined ? jwk : { ...jwk, kid } };
};

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

export const base64Url = (text: string | Uint8Array): string => {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
};

/** Lets pending work go on: signatures are verified on other threads. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
};

export interface Bench {
  /** Number of fetches of the key set. */
  readonly fetches: () => number;
  /** Publishes this document from now on. */
  readonly publish: (document: unknown) => void;
  /** Responds like this from now on. */
  readonly respond: (response: () => Promise<Response>) => void;
  readonly check: (text: string) => AuthResult | Promise<AuthResult>;
  readonly verify: (text: string) => Promise<AuthResult>;
  /** Moves the clock, without timers. */
  readonly advance: (ms: number) => void;
  /** Work that continues after the response. */
  readonly background: Promise<unknown>[];
  readonly log: Readonly<Record<string, unknown>>[];
}

export const setOf = (...keys: readonly IssuerKey[]): { keys: JWK[] } => ({
  keys: keys.map(({ jwk }) => jwk),
});

/** Rejects when the signal aborts, as `fetch` does. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

export const bench = (document: unknown, options: Partial<JwtVerifierOptions> = {}): Bench => {
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
    background,
    log,
    fetches: () => count,
    publish: (next) => {
      response = async () => Response.json(next);
    },
    respond: (next) => {
      response = next;
    },
    check,
    verify: async (text) => check(text),
    advance: (ms) => void vi.setSystemTime(Date.now() + ms),
  };
};
