/** Whose a limit's bucket is. */
import type { Limit } from "../../../contract/policy.ts";
import { createBoundedMap } from "../../../lib/bounded-map.ts";
import { parseAddress, writeNetwork } from "../../context/client.ts";
import { overrideField } from "./published-overrides.ts";

/** Who asks: a principal, where there is one, from an address. */
export interface LimitedClient {
  readonly address: string;
  readonly principal: string | undefined;
}

export interface LimitKey {
  /** Never empty, and of nobody else. */
  readonly bucket: string;
  readonly overrideField: string | undefined;
}

/** Whatever is sent in an address's place is cut to so much. */
const MAX_ADDRESS_LENGTH = 64;

const networkOf = (address: string): string => {
  const parsed = parseAddress(address);
  return parsed === undefined ? `?${address.slice(0, MAX_ADDRESS_LENGTH)}` : writeNetwork(parsed);
};

/**
 * Names buckets: the principal's where the limit is per principal and there is one, else the address's; of IPv6 the
 * whole /64's.
 *
 * @param most so many addresses are remembered as they were read
 */
export const limitKeys = (most: number): ((limit: Limit, client: LimitedClient) => LimitKey) => {
  const networks = createBoundedMap<string>(most);
  const knownNetwork = (address: string): string => {
    const known = networks.get(address);
    if (known !== undefined) return known;
    const network = networkOf(address);
    if (address.length <= MAX_ADDRESS_LENGTH) networks.set(address, network);
    return network;
  };
  return ({ name, per }, { address, principal }) =>
    per === "principal" && principal !== undefined
      ? { bucket: `${name}:p:${principal}`, overrideField: overrideField(name, principal) }
      : { bucket: `${name}:c:${knownNetwork(address)}`, overrideField: undefined };
};
