/** Takes access tokens of the issuer that the configuration names. */

import { sleep, timeoutSignal, withTimeout } from "../lib/async.ts";
import { createTokenVerifier } from "../middleware/auth/jwt/token-verifier.ts";
import type { CheckCredentials } from "../middleware/auth/result.ts";
import { tokens } from "../middleware/auth/tokens.ts";
import { readBody } from "../middleware/body-limit/read-body.ts";
import type { EdgeConfig } from "./config.ts";

/** Nobody waits longer for an issuer's keys. */
const FETCH_TIMEOUT_MS = 3_000;
/** Of a key set no more is read. */
const MAX_BYTES = 256 * 1024;

interface Surroundings {
  readonly fetch: typeof globalThis.fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Takes what is for operators' eyes. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

const fetchKeySet = async (url: string, fetch: typeof globalThis.fetch): Promise<unknown> => {
  const timeout = timeoutSignal(FETCH_TIMEOUT_MS);
  try {
    const init = {
      headers: { accept: "application/json" },
      redirect: "manual",
      signal: timeout.signal,
    } as const;
    const response = await fetch(url, init);
    const reading = await readBody(response.body?.getReader() ?? null, MAX_BYTES, timeout.signal);
    if (response.status !== 200 || reading.kind !== "read")
      throw new Error(`the issuer answered ${response.status} for its keys`);
    return JSON.parse(new TextDecoder().decode(reading.bytes));
  } finally {
    timeout.clear();
  }
};

/** Undefined where none is named. */
export const configuredTokens = (
  configuration: EdgeConfig,
  { fetch, now, log }: Surroundings,
): CheckCredentials | undefined => {
  const {
    JWT_ISSUER: issuer,
    JWT_AUDIENCE: audience,
    JWT_JWKS_URL: url,
    JWT_ALGORITHMS: algorithms,
  } = configuration;
  if (issuer === undefined || audience === undefined || url === undefined) return undefined;
  const fetchKeys = async (): Promise<unknown> => {
    try {
      return await fetchKeySet(url, fetch);
    } catch (error) {
      log({ level: "warn", message: "the issuer's keys cannot be had", issuer, error: String(error) });
      throw error;
    }
  };
  const verifier = createTokenVerifier({
    issuer,
    audience,
    ...(algorithms === undefined ? {} : { algorithms }),
    fetchKeys,
    fetchTimeoutMs: FETCH_TIMEOUT_MS,
    now,
    within: withTimeout,
    pause: sleep,
  });
  return tokens(verifier, now);
};
