/** Verifies the edge's signatures (RFC 9421 §3.2). Only the form that `sign.ts` writes is valid. */
import QuickLRU from "quick-lru";
import { equalInConstantTime } from "../../lib/encoding.ts";
import {
  innerList,
  REQUIRED_FIELDS,
  type ReadField,
  type SignedTarget,
  signatureBase,
  TARGET_COMPONENTS,
} from "./sign.ts";
import type { SigningKey } from "./signing-keys.ts";

export type Refusal =
  | "missing"
  | "malformed"
  | "uncovered"
  | "other_origin"
  | "unknown_key"
  | "expired"
  | "early"
  | "mismatch"
  | "replayed";

export interface Rejected {
  readonly reason: Refusal;
  readonly nonce?: string | undefined;
}

type Verification = { readonly ok: true; readonly nonce: string } | (Rejected & { readonly ok: false });

/** Maximum difference between the tiers' clocks, seconds. */
export const CLOCK_SKEW_S = 5;

const INPUT =
  /^edge=((\([^)]*\));created=(\d{1,12});expires=(\d{1,12});nonce="([A-Za-z0-9_-]{16,64})";keyid="([A-Za-z0-9_-]{1,32})";alg="hmac-sha256";tag="breakwater")$/;
const SIGNATURE = /^edge=:([A-Za-z0-9+/]{43}=):$/;
const FIELD_NAME = /^[a-z0-9-]+$/;

export interface VerifierOptions {
  readonly keys: readonly SigningKey[];
  /** This origin's own authorities (host and port). */
  readonly authorities: readonly string[];
  /** Time for which a nonce cannot be used again, milliseconds. */
  readonly nonceLifetimeMs: number;
  /** Header fields that must be covered if the request has them. */
  readonly fields: readonly string[];
}

/** @param field reads a header field of the request @param nowMs epoch milliseconds */
export type Verify = (target: SignedTarget, field: ReadField, nowMs: number) => Verification;

interface CoveredList {
  readonly names: readonly string[];
  /** Fields that the request must not have, because the list does not cover them. */
  readonly uncovered: readonly string[];
}

/** Edges write one list for each set of fields that their requests have. */
const MAX_LISTS = 200;

/**
 * The header fields of an inner list, which begins with the target; undefined if the list is malformed or
 * lacks a required field. It may cover more fields than required: an older edge may sign some that this
 * origin no longer reads.
 *
 * @param fields header fields that must be covered if the request has them
 */
const readList = (list: string, fields: readonly string[]): CoveredList | undefined => {
  const all = list.slice('("'.length, -'")'.length).split('" "');
  const names = all.slice(TARGET_COMPONENTS.length);
  const isValid =
    TARGET_COMPONENTS.every((name, index) => all[index] === name) &&
    names.every((name) => FIELD_NAME.test(name)) &&
    new Set(names).size === names.length &&
    list === innerList(all) &&
    REQUIRED_FIELDS.every((name) => names.includes(name));
  return isValid ? { names, uncovered: fields.filter((name) => !names.includes(name)) } : undefined;
};

const refuse = (reason: Refusal, nonce?: string): Verification => ({ ok: false, reason, nonce });

export const createVerifier = (options: VerifierOptions): Verify => {
  const { keys, authorities, nonceLifetimeMs, fields } = options;
  const nonces = createNonceMemory(nonceLifetimeMs);
  const lists = new QuickLRU<string, CoveredList>({ maxSize: MAX_LISTS });
  const listOf = (text: string): CoveredList | undefined => {
    const known = lists.get(text);
    if (known !== undefined) return known;
    const list = readList(text, fields);
    if (list !== undefined) lists.set(text, list);
    return list;
  };

  return (target, field, nowMs) => {
    const input = field("signature-input");
    const signature = field("signature");
    if (!input || !signature) return refuse("missing");
    const [, parameters, covered, created, expires, nonce, keyId] = INPUT.exec(input) ?? [];
    const [, mac] = SIGNATURE.exec(signature) ?? [];
    if (!parameters || !nonce || mac === undefined) return refuse("malformed", nonce);

    const list = listOf(covered ?? "");
    const base = list && signatureBase(target, list.names, field, parameters);
    const isPresent = (name: string): boolean => (field(name) ?? undefined) !== undefined;
    if (base === undefined || list?.uncovered.some(isPresent)) return refuse("uncovered", nonce);
    if (REQUIRED_FIELDS.some((name) => !field(name))) return refuse("uncovered", nonce);
    if (!authorities.includes(target.authority)) return refuse("other_origin", nonce);

    const key = keys.find(({ id }) => id === keyId);
    if (key === undefined) return refuse("unknown_key", nonce);
    if (!equalInConstantTime(mac, key.mac(base))) return refuse("mismatch", nonce);

    const nowS = nowMs / 1000;
    if (Number(expires) < nowS - CLOCK_SKEW_S) return refuse("expired", nonce);
    if (Number(created) > nowS + CLOCK_SKEW_S) return refuse("early", nonce);
    return nonces.take(nonce, nowMs) ? { ok: true, nonce } : refuse("replayed", nonce);
  };
};

/**
 * The nonces that this process has accepted, in two generations: dropping the older one takes constant time.
 *
 * @param lifetimeMs minimum time for which a nonce is remembered, milliseconds
 * @param maxEntries of one generation. Above it the older one is dropped early, so that memory stays bounded:
 *   from about 50,000 requests a second, a replay within the signature's lifetime could pass.
 */
export const createNonceMemory = (lifetimeMs: number, maxEntries = 500_000) => {
  let young = new Set<string>();
  let old = new Set<string>();
  let youngSinceMs = Number.NEGATIVE_INFINITY;
  return {
    /** @returns whether the nonce is new */
    take: (nonce: string, nowMs: number): boolean => {
      if (nowMs - youngSinceMs >= lifetimeMs || young.size >= maxEntries) {
        // After two lifetimes the young generation has expired as well.
        old = nowMs - youngSinceMs >= 2 * lifetimeMs ? new Set() : young;
        young = new Set();
        youngSinceMs = nowMs;
      }
      if (young.has(nonce) || old.has(nonce)) return false;
      young.add(nonce);
      return true;
    },
  };
};
