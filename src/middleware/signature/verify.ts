/** Verifies what the edge signed (RFC 9421 §3.2), strictly: only the form that `sign.ts` writes is read. */
import { equalInConstantTime, fromBase64 } from "../../lib/encoding.ts";
import {
  COVERED_FIELDS,
  REQUIRED_FIELDS,
  type SignedTarget,
  targetComponents,
} from "./covered-components.ts";
import type { NonceMemory } from "./nonce-memory.ts";
import { type Component, innerList, signatureBase } from "./signature-base.ts";
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

export type Verification = { readonly ok: true } | { readonly ok: false; readonly reason: Refusal };

/** How far the two tiers' clocks may be apart, seconds. */
export const CLOCK_SKEW_S = 5;

const INPUT =
  /^edge=((\([^)]*\));created=(\d{1,12});expires=(\d{1,12});nonce="([A-Za-z0-9_-]{16,64})";keyid="([A-Za-z0-9_-]{1,32})";alg="hmac-sha256";tag="breakwater")$/;
const SIGNATURE = /^edge=:([A-Za-z0-9+/]+=*):$/;

export interface Verifier {
  readonly keys: readonly SigningKey[];
  /** Authorities (host and port) that are this origin's own. */
  readonly authorities: readonly string[];
  readonly nonces: NonceMemory;
  /** Header fields that have to be covered where the request has them. @default `COVERED_FIELDS` */
  readonly fields?: readonly string[];
}

const FIELD_NAME = /^[a-z0-9-]+$/;

/**
 * What the inner list of covered components names, as the request has it: its target first, then header fields, each once.
 * It may be more than has to be: an edge may know of fields that this origin no longer reads. Undefined where the request
 * does not have something, or where it could be something else.
 */
const componentsOf = (
  list: string,
  target: SignedTarget,
  field: (name: string) => string | null | undefined,
): Component[] | undefined => {
  const components = targetComponents(target);
  const derived = components.length;
  const names = list.slice('("'.length, -'")'.length).split('" "');
  if (components.some(([name], index) => names[index] !== name)) return undefined;
  for (const name of names.slice(derived)) {
    const value = FIELD_NAME.test(name) ? field(name) : undefined;
    if (value === null || value === undefined) return undefined;
    components.push([name, value.trim()]);
  }
  const isEachOnce = new Set(names).size === names.length;
  return isEachOnce && list === innerList(names) ? components : undefined;
};

const coversAll = (
  components: readonly Component[],
  fields: readonly string[],
  field: (name: string) => string | null | undefined,
): boolean => {
  const names = new Set(components.map(([name]) => name));
  return fields.every((name) => names.has(name) || (field(name) ?? undefined) === undefined);
};

const refuse = (reason: Refusal): Verification => ({ ok: false, reason });

/**
 * @param field reads a header field of the request
 * @param nowMs epoch milliseconds
 */
export const verifyRequest = (
  { keys, authorities, nonces, fields = COVERED_FIELDS }: Verifier,
  target: SignedTarget,
  field: (name: string) => string | null | undefined,
  nowMs: number,
): Verification => {
  const input = field("signature-input");
  const signature = field("signature");
  if (!input || !signature) return refuse("missing");
  const [, parameters, covered, created, expires, nonce, keyId] = INPUT.exec(input) ?? [];
  const [, encoded] = SIGNATURE.exec(signature) ?? [];
  const mac = encoded === undefined ? undefined : fromBase64(encoded);
  if (!parameters || !nonce || mac === undefined) return refuse("malformed");

  const components = componentsOf(covered ?? "", target, field);
  if (components === undefined || !coversAll(components, fields, field)) return refuse("uncovered");
  if (REQUIRED_FIELDS.some((name) => !field(name))) return refuse("uncovered");
  if (!authorities.includes(target.authority)) return refuse("other_origin");

  const key = keys.find(({ id }) => id === keyId);
  if (key === undefined) return refuse("unknown_key");
  if (!equalInConstantTime(mac, key.mac(signatureBase(components, parameters)))) return refuse("mismatch");

  const nowS = nowMs / 1000;
  if (Number(expires) < nowS - CLOCK_SKEW_S) return refuse("expired");
  if (Number(created) > nowS + CLOCK_SKEW_S) return refuse("early");
  return nonces.take(nonce, nowMs) ? { ok: true } : refuse("replayed");
};
