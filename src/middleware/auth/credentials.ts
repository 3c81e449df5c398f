/**
 * Checks credentials of either form. Those that are new to the isolate are checked once for all requests that present them
 * at the same time, and only while the client's address has not presented too many wrong ones. Those that were valid lately
 * are always checked: a client that shares its address with a guesser keeps its access.
 */
import { sleep } from "../../lib/async.ts";
import { type Lease, SingleFlight } from "../../resilience/single-flight.ts";
import type { FailedChecks } from "./failed-checks.ts";
import { looksLikeToken } from "./jwt.ts";
import type { AuthContext, AuthResult, CheckCredentials, VerifyCredentials } from "./principal.ts";

export interface CredentialsDeps {
  readonly apiKeys: VerifyCredentials;
  /** Undefined if no issuer is configured. */
  readonly tokens: VerifyCredentials | undefined;
  readonly failedChecks: FailedChecks;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Requests must not share a promise, so they poll for the end of another one's check, milliseconds. */
const POLL_MS = 5;
/** After this time they check the credentials themselves: the other request may have died. */
const MAX_WAIT_MS = 1_000;
/** Credentials that are being checked. */
const MAX_CHECKS = 1_000;

interface Attempt {
  lease?: Lease | undefined;
  isCounted: boolean;
  mustFollow: boolean;
  limitedForMs: number;
}

export const checkCredentials = (deps: CredentialsDeps): CheckCredentials => {
  const { apiKeys, tokens, failedChecks, now } = deps;
  const checks = new SingleFlight(MAX_WAIT_MS, MAX_CHECKS);

  const finish = async (
    checking: AuthResult | Promise<AuthResult>,
    { lease, isCounted }: Attempt,
    network: string,
  ): Promise<AuthResult> => {
    try {
      const result = await checking;
      if (isCounted) failedChecks.end(network, result);
      return result;
    } finally {
      if (lease !== undefined) checks.release(lease);
    }
  };

  const follow = async (token: string, c: AuthContext): Promise<AuthResult> => {
    while (checks.heldUntilMs(token, now()) !== undefined) await sleep(POLL_MS);
    return await check(token, c, false);
  };

  const check = (token: string, c: AuthContext, mayFollow: boolean): AuthResult | Promise<AuthResult> => {
    const verify = tokens !== undefined && looksLikeToken(token) ? tokens : apiKeys;
    const { network } = c.get("client");
    const attempt: Attempt = { isCounted: false, mustFollow: false, limitedForMs: 0 };
    const result = verify(token, c, (wasValid) => {
      attempt.mustFollow = mayFollow && checks.heldUntilMs(token, now()) !== undefined;
      if (!wasValid) attempt.limitedForMs = failedChecks.waitMs(network);
      if (attempt.mustFollow || attempt.limitedForMs > 0) return false;
      attempt.lease = checks.acquire(token, now());
      attempt.isCounted = !wasValid;
      if (attempt.isCounted) failedChecks.begin(network);
      return true;
    });
    if (attempt.mustFollow) return follow(token, c);
    if (attempt.limitedForMs > 0) return { kind: "limited", waitMs: attempt.limitedForMs };
    if (!(result instanceof Promise)) return result;
    const finished = finish(result, attempt, network);
    // Others wait for it even if this client goes away.
    c.get("waitUntil")(finished);
    return finished;
  };

  return (token, c) => check(token, c, true);
};
