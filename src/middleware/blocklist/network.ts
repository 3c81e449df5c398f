/**
 * Networks of a blocklist: a single address, or a range in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). Each has one
 * canonical form: host bits cleared, and a range of IPv4-mapped addresses written as IPv4, as a client's address is.
 */
import { type ClientAddress, parseAddress, writeAddress } from "../context/client.ts";

export interface Network extends ClientAddress {
  /** The first address, in network order: 4 bytes, or 16. */
  readonly bytes: readonly number[];
  /** Prefix length, bits: up to 32, or 128. */
  readonly length: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** The prefix ::ffff:0:0/96 of IPv4-mapped addresses (RFC 4291 §2.5.5.2). */
const MAPPED_LENGTH = 96;
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const LENGTH = /^(?:0|[1-9]\d{0,2})$/;

/** Mask of the first `bits` bits of a byte. */
const byteMask = (bits: number): number => (bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff);

/**
 * The network around an address.
 *
 * @param length prefix length, bits. @default the address alone
 */
export const networkOf = ({ family, bytes }: ClientAddress, length: number = BITS[family]): Network => ({
  family,
  bytes: length === BITS[family] ? bytes : bytes.map((byte, index) => byte & byteMask(length - 8 * index)),
  length,
});

/** Undefined for anything but an address or a range. */
export const parseNetwork = (text: string): Network | undefined => {
  const slash = text.indexOf("/");
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === undefined || slash === -1) return address && networkOf(address);
  const digits = text.slice(slash + 1);
  if (!LENGTH.test(digits)) return undefined;
  const length = Number(digits);
  if (address.family === 6 || !text.includes(":"))
    return length <= BITS[address.family] ? networkOf(address, length) : undefined;
  // An IPv4-mapped address with the prefix length of IPv6.
  if (length > BITS[6]) return undefined;
  return length >= MAPPED_LENGTH
    ? networkOf(address, length - MAPPED_LENGTH)
    : networkOf({ family: 6, bytes: [...MAPPED, ...address.bytes] }, length);
};

/** The canonical form: `192.0.2.0/24`, without a prefix length for a single address. */
export const writeCidr = (network: Network): string => {
  const address = writeAddress(network);
  return network.length === BITS[network.family] ? address : `${address}/${network.length}`;
};

/** The 32 bits of an address from this byte on. */
export const wordAt = ({ bytes }: ClientAddress, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;

/** Whether two words have the same first `bits` bits. A shift by 32 would be a shift by 0. */
export const isSamePrefix = (one: number, other: number, bits: number): boolean =>
  bits <= 0 || (one ^ other) >>> (bits >= 32 ? 0 : 32 - bits) === 0;

/** Whether two networks share an address: then one of them contains the other. */
export const overlap = (a: Network, b: Network): boolean => {
  if (a.family !== b.family) return false;
  const shared = Math.min(a.length, b.length);
  for (let at = 0; 8 * at < shared; at += 4)
    if (!isSamePrefix(wordAt(a, at), wordAt(b, at), shared - 8 * at)) return false;
  return true;
};

/** Shorter prefixes are rejected as mistakes: a /8 is a 256th of all IPv4 addresses, a /16 a whole registry's IPv6. */
export const SHORTEST_PREFIX = { 4: 8, 6: 16 } as const;

export const isTooWide = ({ family, length }: Network): boolean => length < SHORTEST_PREFIX[family];
