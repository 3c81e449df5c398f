/** Verifies what the edge signed (RFC 9421 §3.2), strictly: only the form that `sign.ts` writes is read. */
import { equalInConstantTime } from "../../lib/encoding.ts";
import {
  COVERED_FIELDS,
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

export type Verification =
  | { readonly ok: true; readonly nonce: string }
  | (Rejected & { readonly ok: false });

/** How far the two tiers' clocks may be apart, seconds. */
export const CLOCK_SKEW_S = 5;

const INPUT =
  /^edge=((\([^)]*\));created=(\d{1,12});expires=(\d{1,12});nonce="([A-Za-z0-9_-]{16,64})";keyid="([A-Za-z0-9_-]{1,32})";alg="hmac-sha256";tag="breakwater")$/;
const SIGNATURE = /^edge=:([A-Za-z0-9+/]{43}=):$/;
const FIELD_NAME = /^[a-z0-9-]+$/;

export interface VerifierOptions {
  readonly keys: readonly SigningKey[];
  /** Authorities (host and port) that are this origin's own. */
  readonly authorities: readonly string[];
  /** How long a nonce is remembered, milliseconds. */
  readonly nonceLifetimeMs: number;
  /** Header fields that have to be covered if the request has them. @default `COVERED_FIELDS` */
  readonly fields?: readonly string[];
}

/** @param field reads a header field of the request @param nowMs epoch milliseconds */
export type Verify = (target: SignedTarget, field: ReadField, nowMs: number) => Verification;

/**
 * Reads the inner list: the target first, then header fields, each once. It may be more than has to be: an edge may know of
 * fields that this origin no longer reads.
 *
 * @returns the fields' names; undefined if the list is malformed, or lacks a required field
 */
const readList = (list: string): readonly string[] | undefined => {
  const all = list.slice('("'.length, -'")'.length).split('" "');
  const names = all.slice(TARGET_COMPONENTS.length);
  const isValid =
    TARGET_COMPONENTS.every((name, index) => all[index] === name) &&
    names.every((name) => FIELD_NAME.test(name)) &&
    new Set(names).size === names.length &&
    list === innerList(all) &&
    REQUIRED_FIELDS.every((name) => names.includes(name));
  return isValid ? names : undefined;
};

const refuse = (reason: Refusal, nonce?: string): Verification => ({ ok: false, reason, nonce });

export const createVerifier = ({
  keys,
  authorities,
  nonceLifetimeMs,
  fields = COVERED_FIELDS,
}: VerifierOptions): Verify => {
  const nonces = createNonceMemory(nonceLifetimeMs);

  return (target, field, nowMs) => {
    const input = field("signature-input");
    const signature = field("signature");
    if (!input || !signature) return refuse("missing");
    const [, parameters, covered, created, expires, nonce, keyId] = INPUT.exec(input) ?? [];
    const [, mac] = SIGNATURE.exec(signature) ?? [];
    if (!parameters || !nonce || mac === undefined) return refuse("malformed", nonce);

    const names = readList(covered ?? "");
    const base = names && signatureBase(target, names, field, parameters);
    const isUncovered = (name: string): boolean =>
      !names?.includes(name) && (field(name) ?? undefined) !== undefined;
    if (base === undefined || fields.some(isUncovered)) return refuse("uncovered", nonce);
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

export interface NonceMemory {
  /** Whether the nonce is new; from then on it is not. */
  take(nonce: string, nowMs: number): boolean;
}

/**
 * The nonces that this process has seen: two generations, the older of which is forgotten whole, so that each step takes
 * constant time and memory is bounded.
 *
 * @param lifetimeMs how long a nonce is remembered at least, milliseconds
 * @param maxEntries of one generation. Beyond it the older one is forgotten early: at some 50,000 requests a
 *   second a replay within the signature's life could then pass, rather than the memory grow.
 * @default maxEntries 500,000
 */
export const createNonceMemory = (lifetimeMs: number, maxEntries = 500_000): NonceMemory => {
  let young = new Set<string>();
  let old = new Set<string>();
  let youngSinceMs = Number.NEGATIVE_INFINITY;
  return {
    take: (nonce, nowMs) => {
      if (nowMs - youngSinceMs >= lifetimeMs || young.size >= maxEntries) {
        // After a pause of two lifetimes even the young generation is past.
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
