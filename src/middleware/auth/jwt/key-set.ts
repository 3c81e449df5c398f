/** An issuer's keys (RFC 7517 §5), read strictly: only public keys for signatures, each for the algorithms that fit it. */

import type { CryptoKey } from "jose";
import { importJWK } from "jose/key/import";
import { isJsonObject, type JsonObject } from "../../../lib/json-object.ts";
import { isSameAlgorithm, keyKind, type TokenAlgorithm } from "./algorithms.ts";

export interface VerificationKey {
  readonly kid: string | undefined;
  readonly algorithm: TokenAlgorithm;
  readonly key: CryptoKey;
}

/** Issuers have two or three: more are not looked at. */
const MAX_KEYS = 32;
/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2_048;

/** A set that holds one of these has been published by mistake, and the key is nobody's secret any more. */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

const isForSignatures = ({ use, key_ops }: JsonObject): boolean =>
  (use === undefined || use === "sig") &&
  (key_ops === undefined || (Array.isArray(key_ops) && key_ops.includes("verify")));

const fits = (jwk: JsonObject, algorithm: TokenAlgorithm): boolean => {
  const { kty, crv, members } = keyKind(algorithm);
  return (
    jwk["kty"] === kty &&
    (crv === undefined || jwk["crv"] === crv) &&
    (jwk["alg"] === undefined || isSameAlgorithm(jwk["alg"], algorithm)) &&
    members.every((member) => typeof jwk[member] === "string")
  );
};

/** Nothing but what makes the key: the rest says how it is to be used, and that has been decided. */
const bareKey = (jwk: JsonObject, algorithm: TokenAlgorithm): Record<string, string> => {
  const { kty, crv, members } = keyKind(algorithm);
  return {
    kty,
    ...(crv !== undefined && { crv }),
    ...Object.fromEntries(members.map((member) => [member, String(jwk[member])])),
  };
};

const isLongEnough = ({ algorithm }: CryptoKey): boolean =>
  !("modulusLength" in algorithm) || Number(algorithm.modulusLength) >= MIN_RSA_BITS;

/** Undefined for what is no key after all. */
const importKey = async (
  jwk: JsonObject,
  algorithm: TokenAlgorithm,
): Promise<VerificationKey | undefined> => {
  try {
    const key = await importJWK(bareKey(jwk, algorithm), algorithm);
    if (key instanceof Uint8Array || !isLongEnough(key)) return undefined;
    return { kid: typeof jwk["kid"] === "string" ? jwk["kid"] : undefined, algorithm, key };
  } catch {
    return undefined;
  }
};

/**
 * Its keys, ready for use; undefined for what is no set. A set without a key that can be used is one with which nothing
 * is proven.
 */
export const readKeySet = async (
  document: unknown,
  algorithms: readonly TokenAlgorithm[],
): Promise<readonly VerificationKey[] | undefined> => {
  if (!isJsonObject(document) || !Array.isArray(document["keys"])) return undefined;
  const listed: readonly unknown[] = document["keys"];
  const usable = listed
    .filter(isJsonObject)
    .filter((jwk) => isForSignatures(jwk) && !PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member)))
    .filter((jwk) => algorithms.some((algorithm) => fits(jwk, algorithm)))
    .slice(0, MAX_KEYS);
  const imported = usable.flatMap((jwk) =>
    algorithms.filter((algorithm) => fits(jwk, algorithm)).map((algorithm) => importKey(jwk, algorithm)),
  );
  return (await Promise.all(imported)).filter((key) => key !== undefined);
};

/** @param kid undefined where the token names none: then every key that fits might be it */
export const keysFor = (
  keys: readonly VerificationKey[],
  algorithm: TokenAlgorithm,
  kid: string | undefined,
): readonly VerificationKey[] =>
  keys.filter((key) => key.algorithm === algorithm && (kid === undefined || key.kid === kid));
