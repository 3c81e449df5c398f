/**
 * Networks: a single address, or a range in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). Each has one
 * canonical form: host bits cleared, and ranges of IPv4-mapped addresses as IPv4.
 */
import { type ClientAddress, parseAddress, writeAddress } from "../context/client.ts";

export interface Network extends ClientAddress {
  /** The first address, in network order: 4 bytes, or 16. */
  readonly bytes: readonly number[];
  /** Prefix length, bits: up to 32, or 128. */
  readonly length: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Length of the prefix ::ffff:0:0/96 of IPv4-mapped addresses (RFC 4291 §2.5.5.2). */
const MAPPED_LENGTH = 96;

const LENGTH = /^(?:0|[1-9]\d{0,2})$/;

/** Mask of the first `bits` bits of a byte. */
const byteMask = (bits: number): number => (bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff);

/** The network that contains an address. @param length prefix length, bits @default the address alone */
export const networkOf = ({ family, bytes }: ClientAddress, length: number = BITS[family]): Network => ({
  family,
  bytes: bytes.map((byte, index) => byte & byteMask(length - 8 * index)),
  length,
});

/** Undefined for anything but an address or a range. The shortest prefix of IPv4-mapped addresses is /96. */
export const parseNetwork = (text: string): Network | undefined => {
  const [host = "", digits, ...others] = text.split("/");
  const address = parseAddress(host);
  if (address === undefined || digits === undefined) return address && networkOf(address);
  if (!LENGTH.test(digits) || others.length > 0) return undefined;
  const isMapped = address.family === 4 && host.includes(":");
  const length = Number(digits) - (isMapped ? MAPPED_LENGTH : 0);
  return length >= 0 && length <= BITS[address.family] ? networkOf(address, length) : undefined;
};

/** The canonical form, such as `192.0.2.0/24`; a single address has no prefix length. */
export const writeCidr = (network: Network): string => {
  const address = writeAddress(network);
  return network.length === BITS[network.family] ? address : `${address}/${network.length}`;
};

/** Whether two networks share an address: then one of them contains the other. */
export const overlap = (a: Network, b: Network): boolean => {
  const shared = Math.min(a.length, b.length);
  return a.family === b.family && writeCidr(networkOf(a, shared)) === writeCidr(networkOf(b, shared));
};

/** Shorter prefixes are rejected as mistakes: an IPv6 /16 is a whole registry's. */
export const SHORTEST_PREFIX = { 4: 8, 6: 16 } as const;

export const isTooWide = ({ family, length }: Network): boolean => length < SHORTEST_PREFIX[family];
