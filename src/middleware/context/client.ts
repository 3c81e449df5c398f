/** Who a request comes from: by the address that the platform saw, whatever the client itself says. */
import { createBoundedMap } from "../../lib/bounded-map.ts";
import { type ClientAddress, parseAddress, writeAddress } from "./client-address.ts";

/** In place of an address where there is none. */
export const UNKNOWN_CLIENT = "unknown";

/** Whether it names a client: an address, or that it is not known. */
export const isClient = (text: string): boolean =>
  text === UNKNOWN_CLIENT || parseAddress(text) !== undefined;

export interface Client {
  /** Its address in its one form, or `UNKNOWN_CLIENT`. */
  readonly name: string;
  readonly address: ClientAddress | undefined;
}

const UNKNOWN: Client = { name: UNKNOWN_CLIENT, address: undefined };

/**
 * Names clients: by their address in its one form, so that an IPv4 address that was mapped into IPv6, or one that is
 * written at length, is nobody else.
 *
 * @param most so many addresses are remembered as they were read
 */
export const clientIdentities = (most: number): ((field: string | null) => Client) => {
  const known = createBoundedMap<Client>(most);
  return (field) => {
    if (field === null) return UNKNOWN;
    const remembered = known.get(field);
    if (remembered !== undefined) return remembered;
    const address = parseAddress(field);
    if (address === undefined) return UNKNOWN;
    const client = { name: writeAddress(address), address };
    known.set(field, client);
    return client;
  };
};
