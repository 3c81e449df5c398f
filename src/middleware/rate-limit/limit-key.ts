/** Names of buckets and of overrides, which replace a limit's rule for one principal. */
import type { Limit } from "../../contract/policy.ts";
import { createBoundedMap } from "../../lib/bounded-map.ts";
import { parseAddress, writeNetwork } from "../context/client.ts";
import type { BucketRule } from "./token-bucket.ts";

export interface LimitedClient {
  readonly address: string;
  /** Undefined for an anonymous request. */
  readonly principal: string | undefined;
}

export interface LimitKey {
  /** Never empty, and unique to the limit and client. */
  readonly bucket: string;
  readonly overrideField: string | undefined;
}

/** Longest part of an invalid address that is used in a key. */
const MAX_ADDRESS_LENGTH = 64;

const networkOf = (address: string): string => {
  const parsed = parseAddress(address);
  return parsed === undefined ? `?${address.slice(0, MAX_ADDRESS_LENGTH)}` : writeNetwork(parsed);
};

/**
 * Returns a function that names buckets: by the principal, if the limit is per principal and the request has one; else by
 * the address, or by its /64 for IPv6.
 *
 * @param maxAddresses parsed addresses to remember
 */
export const limitKeys = (maxAddresses: number): ((limit: Limit, client: LimitedClient) => LimitKey) => {
  const networks = createBoundedMap<string>(maxAddresses);
  const cachedNetworkOf = (address: string): string => {
    const cached = networks.get(address);
    if (cached !== undefined) return cached;
    const network = networkOf(address);
    if (address.length <= MAX_ADDRESS_LENGTH) networks.set(address, network);
    return network;
  };
  return ({ name, per }, { address, principal }) =>
    per === "principal" && principal !== undefined
      ? { bucket: `${name}:p:${principal}`, overrideField: overrideField(name, principal) }
      : { bucket: `${name}:c:${cachedNetworkOf(address)}`, overrideField: undefined };
};

/** The Redis hash of the published overrides. */
export const publishedOverridesName = (prefix: string): string => `${prefix}limit-overrides`;

/** Unambiguous, because a limit's name has no colon. */
export const overrideField = (limitName: string, principal: string): string => `${limitName}:${principal}`;

/** The format that the script parses. */
export const writeOverride = ({ capacity, refillPerSecond }: BucketRule): string =>
  `${capacity} ${refillPerSecond}`;
