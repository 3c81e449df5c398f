/**
 * Identifies clients by IP address in one canonical form: IPv6 as in RFC 5952, and IPv4 mapped into IPv6
 * (RFC 4291 §2.5.5.2) as IPv4.
 */
import ipaddr from "ipaddr.js";
import QuickLRU from "quick-lru";

export interface ClientAddress {
  readonly family: 4 | 6;
  /** In network order: 4 bytes, or 16. */
  readonly bytes: readonly number[];
}

export interface Client {
  /** The canonical address, or `UNKNOWN_CLIENT`. */
  readonly name: string;
  /** The client's own network: the IPv4 address, the /64 of an IPv6 address, or `UNKNOWN_CLIENT`. */
  readonly network: string;
  readonly address: ClientAddress | undefined;
}

/** The client's name if its address is missing or invalid. */
export const UNKNOWN_CLIENT = "unknown";

const UNKNOWN: Client = { name: UNKNOWN_CLIENT, network: UNKNOWN_CLIENT, address: undefined };

/** Longest valid text: eight groups, the last two in decimal. */
const MAX_LENGTH = 45;

/**
 * Writes the decimal part of an IPv6 address such as `64:ff9b::192.0.2.33` in hexadecimal. ipaddr.js would
 * accept octal there, and read `::192.0.2.33` as a mapped address.
 */
const withoutDecimalPart = (text: string): string | undefined => {
  const at = text.lastIndexOf(":") + 1;
  const decimal = text.slice(at);
  if (!decimal.includes(".")) return text;
  if (!ipaddr.IPv4.isValidFourPartDecimal(decimal)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv4.parse(decimal).octets;
  return `${text.slice(0, at)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
};

/** Undefined for anything but a complete address: no zone, no octal, no short form such as `127.1`. */
export const parseAddress = (text: string): ClientAddress | undefined => {
  if (text.length > MAX_LENGTH || text.includes("%")) return undefined;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return { family: 4, bytes: ipaddr.IPv4.parse(text).octets };
  const hexadecimal = withoutDecimalPart(text);
  if (hexadecimal === undefined || !ipaddr.IPv6.isValid(hexadecimal)) return undefined;
  const address = ipaddr.IPv6.parse(hexadecimal);
  return address.isIPv4MappedAddress()
    ? { family: 4, bytes: address.toIPv4Address().octets }
    : { family: 6, bytes: address.toByteArray() };
};

/** The canonical form. */
export const writeAddress = ({ bytes }: ClientAddress): string => ipaddr.fromByteArray([...bytes]).toString();

/** Whether the text can be a client's name. */
export const isClient = (text: string): boolean =>
  text === UNKNOWN_CLIENT || parseAddress(text) !== undefined;

/** @param maxSize clients to cache, at times twice as many @returns the client of an address */
export const clientIdentities = (maxSize: number): ((text: string | null) => Client) => {
  const clients = new QuickLRU<string, Client>({ maxSize });
  return (text) => {
    if (text === null) return UNKNOWN;
    const cached = clients.get(text);
    if (cached !== undefined) return cached;
    const address = parseAddress(text);
    if (address === undefined) return UNKNOWN;
    const name = writeAddress(address);
    const prefix = address.bytes.map((byte, index) => (index < 8 ? byte : 0));
    const network = address.family === 4 ? name : `${writeAddress({ family: 6, bytes: prefix })}/64`;
    const client = { name, network, address };
    clients.set(text, client);
    return client;
  };
};
