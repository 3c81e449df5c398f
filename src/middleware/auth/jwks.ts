/**
 * The issuer's key set, fetched and cached by jose. Around jose's fetch:
 * - A fetch begins at most once per cooldown, even if fetches fail. jose's own cooldown counts successful ones only.
 * - Concurrent requests share one fetch by polling for its result, because Workers must not share promises between
 *   requests; jose starts a fetch per request there.
 * - An old set is refreshed in the background, and stays in use while the issuer is down.
 */
import {
  createRemoteJWKSet,
  customFetch,
  type FetchImplementation,
  type RemoteJWKSet,
} from "jose/jwks/remote";
import { sleep } from "../../lib/async.ts";
import { isJsonObject, type JsonObject } from "../../lib/json-object.ts";
import { readBody } from "../body-limit/read-body.ts";

const FETCH_TIMEOUT_MS = 3_000;
const MAX_BYTES = 256 * 1024;
/** From one fetch to the next. */
const COOLDOWN_MS = 60_000;
/** From the first failed fetch to the next, doubled after every further one, until there is a set. */
const FIRST_RETRY_MS = 1_000;
/** Age at which the set is refreshed. */
const MAX_AGE_MS = 600_000;
const POLL_MS = 20;

export interface IssuerKeysOptions {
  /** In log entries. */
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly fetch: typeof globalThis.fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Operator log. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

export interface IssuerKeys {
  /** `fresh` once a set has been fetched. */
  readonly keySet: RemoteJWKSet;
  /** Starts a fetch of an old set. */
  refresh(inBackground: (work: Promise<unknown>) => void): void;
}

interface KeyFetch {
  readonly startedAtMs: number;
  isOver: boolean;
  document?: JsonObject;
}

export const createIssuerKeys = ({ issuer, jwksUrl, fetch, now, log }: IssuerKeysOptions): IssuerKeys => {
  let last: KeyFetch | undefined;
  let fetchedAtMs = 0;
  let attempts = 0;

  /** False for a time in the future: the clock was set back. */
  const isRecent = (atMs: number, ms: number): boolean => now() >= atMs && now() - atMs < ms;
  /** A request that the platform ended leaves its fetch pending. */
  const isPending = (each: KeyFetch): boolean => !each.isOver && isRecent(each.startedAtMs, FETCH_TIMEOUT_MS);

  const isCoolingDown = (): boolean => {
    const cooldownMs = keySet.fresh
      ? COOLDOWN_MS
      : Math.min(COOLDOWN_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
    return last !== undefined && isRecent(last.startedAtMs, cooldownMs);
  };

  const fetchDocument = async (...[url, options]: Parameters<FetchImplementation>): Promise<JsonObject> => {
    const response = await fetch(url, options);
    const body = await readBody(response.body?.getReader() ?? null, MAX_BYTES, options.signal);
    if (response.status !== 200) throw new Error(`the issuer responded ${response.status}`);
    if (body.kind !== "read") throw new Error(`the issuer's response was ${body.kind}`);
    const document: unknown = JSON.parse(new TextDecoder().decode(body.bytes));
    if (!isJsonObject(document) || !Array.isArray(document["keys"]))
      throw new Error("the issuer's response is not a key set");
    return document;
  };

  const fetchOnce: FetchImplementation = async (url, options) => {
    const other = last;
    if (other !== undefined && isPending(other)) {
      while (isPending(other)) await sleep(POLL_MS);
      if (other.document === undefined) throw new Error("another request's fetch failed");
      return Response.json(other.document);
    }
    if (isCoolingDown()) throw new Error("the last fetch is too recent");
    const current: KeyFetch = { startedAtMs: now(), isOver: false };
    last = current;
    attempts += 1;
    try {
      current.document = await fetchDocument(url, options);
      fetchedAtMs = current.startedAtMs;
      return Response.json(current.document);
    } catch (error) {
      log({ level: "warn", message: "cannot fetch the issuer's keys", issuer, error: String(error) });
      throw error;
    } finally {
      current.isOver = true;
    }
  };

  const keySet = createRemoteJWKSet(new URL(jwksUrl), {
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    timeoutDuration: FETCH_TIMEOUT_MS,
    [customFetch]: fetchOnce,
  });

  return {
    keySet,
    refresh: (inBackground) => {
      if (keySet.fresh && !isRecent(fetchedAtMs, MAX_AGE_MS) && !isCoolingDown())
        inBackground(keySet.reload().catch(() => undefined));
    },
  };
};
