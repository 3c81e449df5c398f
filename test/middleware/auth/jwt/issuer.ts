/** An issuer of tokens as the tests need it: real keys, a clock that is set, a key set that is fetched and counted. */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import type { TokenAlgorithm } from "../../../../src/middleware/auth/jwt/algorithms.ts";
import {
  createTokenVerifier,
  type TokenVerifier,
  type TokenVerifierOptions,
} from "../../../../src/middleware/auth/jwt/token-verifier.ts";
import type { TokenVerdict } from "../../../../src/middleware/auth/jwt/verdict.ts";

export const ISSUER = "https://issuer.example/";
export const AUDIENCE = "https://api.example.com";
export const NOW_S = 1_800_000_000;

export type SigningKey = Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];

export interface IssuerKey {
  readonly algorithm: TokenAlgorithm;
  readonly privateKey: SigningKey;
  /** As it stands in the set. */
  readonly jwk: JWK;
}

export const issuerKey = async (algorithm: TokenAlgorithm, kid?: string): Promise<IssuerKey> => {
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

/** A token as this key signs it; a claim that is undefined is left out. */
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

export interface Clock {
  readonly nowMs: () => number;
  readonly pause: (ms: number) => Promise<void>;
  readonly within: (work: Promise<unknown>, ms: number) => Promise<unknown>;
  /** How many wait for a time to come. */
  readonly waiting: () => number;
  /** Lets time pass, and whoever waits go on, in the order of their times. */
  readonly advance: (ms: number) => Promise<void>;
  readonly set: (ms: number) => void;
}

/** Lets everything happen that waits for no time: signatures are verified elsewhere, and take turns of the event loop. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
};

export const createClock = (): Clock => {
  let nowMs = NOW_S * 1_000;
  let waiting: { readonly atMs: number; readonly wake: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    pause: (ms) => new Promise((resolve) => waiting.push({ atMs: nowMs + ms, wake: resolve })),
    within: async (work, ms) => {
      const { promise: late, reject } = Promise.withResolvers<never>();
      const waiter = { atMs: nowMs + ms, wake: () => reject(new Error("too late")) };
      waiting.push(waiter);
      try {
        return await Promise.race([work, late]);
      } finally {
        waiting = waiting.filter((each) => each !== waiter);
      }
    },
    waiting: () => waiting.length,
    advance: async (ms) => {
      const endMs = nowMs + ms;
      for (;;) {
        const nextMs = Math.min(...waiting.map(({ atMs }) => atMs));
        if (nextMs > endMs) break;
        nowMs = Math.max(nowMs, nextMs);
        const due = waiting.filter(({ atMs }) => atMs <= nowMs);
        waiting = waiting.filter(({ atMs }) => atMs > nowMs);
        for (const { wake } of due) wake();
        // Those that are woken may wait again.
        for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
      }
      nowMs = endMs;
      await settle();
    },
    set: (ms) => {
      nowMs = ms;
    },
  };
};

export interface Bench {
  readonly clock: Clock;
  readonly verifier: TokenVerifier;
  /** How often the set has been fetched. */
  readonly fetches: () => number;
  /** What is answered from now on: the document, or what makes it. */
  readonly publish: (document: unknown) => void;
  readonly fetchAs: (answer: () => Promise<unknown>) => void;
  readonly verify: (text: string) => Promise<TokenVerdict>;
  /** Work that was handed over to go on behind the answer. */
  readonly background: Promise<unknown>[];
}

export const setOf = (...keys: readonly IssuerKey[]): { keys: JWK[] } => ({
  keys: keys.map(({ jwk }) => jwk),
});

export const bench = (document: unknown, options: Partial<TokenVerifierOptions> = {}): Bench => {
  const clock = createClock();
  const background: Promise<unknown>[] = [];
  let answer = async (): Promise<unknown> => document;
  let count = 0;
  const verifier = createTokenVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    fetchKeys: () => {
      count += 1;
      return answer();
    },
    now: clock.nowMs,
    within: clock.within,
    pause: clock.pause,
    ...options,
  });
  return {
    clock,
    verifier,
    background,
    fetches: () => count,
    publish: (next) => {
      answer = async () => next;
    },
    fetchAs: (next) => {
      answer = next;
    },
    verify: (text) => verifier.verify(text, (work) => background.push(work)),
  };
};
