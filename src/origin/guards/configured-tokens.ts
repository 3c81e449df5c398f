/** Access tokens for the guards of an origin: of the issuer that the configuration names. */
import { sleep, withTimeout } from "../../lib/async.ts";
import { createTokenVerifier } from "../../middleware/auth/jwt/token-verifier.ts";
import type { CheckCredentials } from "../../middleware/auth/result.ts";
import { tokens } from "../../middleware/auth/tokens.ts";
import { readBody } from "../../middleware/body-limit/read-body.ts";
import type { OriginConfiguration } from "../config/configuration.ts";
import type { OriginLog } from "../log.ts";

/** Nobody waits longer for an issuer's keys. */
const FETCH_TIMEOUT_MS = 3_000;
/** Of a key set no more is read. */
const MAX_BYTES = 256 * 1024;

const fetchKeySet = async (url: string): Promise<unknown> => {
  const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  const response = await fetch(url, { redirect: "manual", headers: { accept: "application/json" }, signal });
  const reading = await readBody(response.body?.getReader() ?? null, MAX_BYTES, signal);
  if (response.status !== 200 || reading.kind !== "read")
    throw new Error(`the issuer answered ${response.status} for its keys, which were ${reading.kind}`);
  return JSON.parse(new TextDecoder().decode(reading.bytes));
};

/** Undefined where none is named. */
export const configuredTokens = (
  { jwtIssuer: issuer, jwtAudience: audience, jwtJwksUrl: url }: OriginConfiguration["security"],
  now: () => number,
  log: OriginLog,
): CheckCredentials | undefined => {
  if (issuer === undefined || audience === undefined || url === undefined) return undefined;
  const fetchKeys = async (): Promise<unknown> => {
    try {
      return await fetchKeySet(url);
    } catch (error) {
      log.warn({ err: error, issuer }, "the issuer's keys cannot be had");
      throw error;
    }
  };
  const verifier = createTokenVerifier({
    issuer,
    audience,
    fetchKeys,
    fetchTimeoutMs: FETCH_TIMEOUT_MS,
    now,
    within: withTimeout,
    pause: sleep,
  });
  return tokens(verifier, now);
};
