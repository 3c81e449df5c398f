/** API keys: found out by a look-up, believed for a while. */
import { createBoundedMap } from "../../lib/bounded-map.ts";
import type { Exchange } from "../exchange.ts";
import { type PresentedKey, parseKey, verifyKey } from "./api-key.ts";
import type { KeyFinding, KeyLookup } from "./key-lookup.ts";
import { type CheckCredentials, type Credentials, MALFORMED, principalOf, UNAVAILABLE } from "./result.ts";

/**
 * How long an isolate believes what it has found out about a key. With the time for which Redis may hold what an origin
 * could not renew, that is the 10 s for which a revoked one may live.
 */
const VERDICT_LIFETIME_MS = 5_000;
/** From then on it is looked up again in the background, so that nobody who asks often waits for it. */
const REFRESH_AFTER_MS = 2_500;
/** Verdicts kept; guesses have a room of their own, so that they cannot push out what is valid. */
const MAX_VERDICTS = 10_000;

interface CachedVerdict {
  readonly credentials: Credentials;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Infinity where somebody does so. */
  refreshAtMs: number;
}

export interface KeyCredentialsDependencies {
  readonly lookup: KeyLookup;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Told, before a key is looked up, whose it was when it was last looked up: that takes a round trip. */
  readonly ahead: (exchange: Exchange, principal: string | undefined) => void;
}

export const keyCredentials = ({ lookup, now, ahead }: KeyCredentialsDependencies): CheckCredentials => {
  const accepted = createBoundedMap<CachedVerdict>(MAX_VERDICTS);
  const refused = createBoundedMap<CachedVerdict>(MAX_VERDICTS);

  const judge = (
    presented: PresentedKey,
    found: Exclude<KeyFinding, { kind: "unavailable" }>,
  ): Credentials => {
    const user = `key:${presented.id}`;
    if (found.kind === "unknown") return { kind: "refused", reason: "unknown_key", user };
    const verified = verifyKey(presented, found.record, now());
    return typeof verified === "string"
      ? { kind: "refused", reason: verified, user }
      : { kind: "proven", verdict: { auth: "api-key", principal: verified } };
  };

  const remember = (key: string, verdict: CachedVerdict): void => {
    accepted.delete(key);
    refused.delete(key);
    (verdict.credentials.kind === "proven" ? accepted : refused).set(key, verdict);
  };

  const lookUp = async (key: string, presented: PresentedKey, exchange: Exchange): Promise<Credentials> => {
    const askedAtMs = now();
    const found = await lookup(presented.id, exchange);
    if (found.kind === "unavailable") return UNAVAILABLE;
    const credentials = judge(presented, found);
    const isProven = credentials.kind === "proven";
    const expiresAtMs =
      (found.kind === "found" && isProven ? found.record.expiresAtMs : null) ?? Number.POSITIVE_INFINITY;
    const untilMs = Math.min(askedAtMs + VERDICT_LIFETIME_MS, expiresAtMs);
    const refreshAtMs = isProven ? askedAtMs + REFRESH_AFTER_MS : Number.POSITIVE_INFINITY;
    remember(key, { credentials, fromMs: askedAtMs, untilMs, refreshAtMs });
    return credentials;
  };

  return (key, exchange) => {
    const nowMs = now();
    const last = accepted.get(key) ?? refused.get(key);
    // A clock that was set back says nothing about how long it has been believed.
    const isBelieved = last !== undefined && nowMs >= last.fromMs && nowMs < last.untilMs;
    const verdict = isBelieved ? last : undefined;
    if (verdict !== undefined && nowMs < verdict.refreshAtMs) return verdict.credentials;
    const presented = parseKey(key);
    if (presented === undefined) return MALFORMED;
    if (verdict !== undefined) {
      verdict.refreshAtMs = Number.POSITIVE_INFINITY;
      exchange.inBackground(lookUp(key, presented, exchange));
      return verdict.credentials;
    }
    ahead(exchange, principalOf(last?.credentials)?.id);
    return lookUp(key, presented, exchange);
  };
};
