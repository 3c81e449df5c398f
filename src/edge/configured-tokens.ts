/** Takes access tokens of the issuer that the configuration names. */

import { createTokenVerifier } from "../middleware/auth/jwt/token-verifier.ts";
import type { CheckCredentials } from "../middleware/auth/result.ts";
import { tokenCredentials } from "../middleware/auth/tokens.ts";
import type { EdgeConfiguration } from "./configuration.ts";
import { fetchText } from "./fetch-text.ts";
import { pause } from "./pause.ts";
import { within } from "./within.ts";

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
  const options = { whose: "the issuer", fetch, timeoutMs: FETCH_TIMEOUT_MS, maxBytes: MAX_BYTES };
  const { status, text } = await fetchText(url, { headers: { accept: "application/json" } }, options);
  if (status !== 200) throw new Error(`the issuer answered ${status} for its keys`);
  return JSON.parse(text);
};

/** Undefined where none is named. */
export const configuredTokens = (
  configuration: EdgeConfiguration,
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
    within,
    pause,
  });
  return tokenCredentials(verifier, now);
};
