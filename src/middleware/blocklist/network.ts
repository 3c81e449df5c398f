/**
 * Networks as a blocklist names them: a single address, or a range in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). Each
 * has one form: its host bits are cleared, and what lies within the IPv4-mapped part of IPv6 is the IPv4 network that it
 * is, as a client's address is.
 */
import { type ClientAddress, parseAddress, writeAddress } from "../context/client-address.ts";

export interface Network extends ClientAddress {
  /** Its first address, in network order: 4 bytes, or 16. */
  readonly bytes: readonly number[];
  /** Of its prefix, bits: up to 32, or 128. */
  readonly length: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Of ::ffff:0:0/96, in which IPv4 addresses are mapped (RFC 4291 §2.5.5.2). */
const MAPPED_LENGTH = 96;
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const LENGTH = /^(?:0|[1-9]\d{0,2})$/;

/** The bits of a byte that belong to a prefix of so many bits, counted from the byte's first one. */
const maskOf = (bits: number): number => (bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff);

/** The network of so long a prefix in which an address lies. */
export const networkOf = ({ family, bytes }: ClientAddress, length: number = BITS[family]): Network => ({
  family,
  bytes: length === BITS[family] ? bytes : bytes.map((byte, index) => byte & maskOf(length - 8 * index)),
  length,
});

/** Undefined for what is neither an address nor a range. */
export const parseNetwork = (text: string): Network | undefined => {
  const slash = text.indexOf("/");
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === undefined || slash === -1) return address && networkOf(address);
  const digits = text.slice(slash + 1);
  if (!LENGTH.test(digits)) return undefined;
  const length = Number(digits);
  if (address.family === 6 || !text.includes(":"))
    return length <= BITS[address.family] ? networkOf(address, length) : undefined;
  // It was written as a mapped one, with a prefix of IPv6.
  if (length > BITS[6]) return undefined;
  return length >= MAPPED_LENGTH
    ? networkOf(address, length - MAPPED_LENGTH)
    : networkOf({ family: 6, bytes: [...MAPPED, ...address.bytes] }, length);
};

/** In its one form: `192.0.2.0/24`; a single address without a prefix. */
export const writeCidr = (network: Network): string => {
  const address = writeAddress(network);
  return network.length === BITS[network.family] ? address : `${address}/${network.length}`;
};

/** The 32 bits of an address that begin at the byte. */
export const wordAt = ({ bytes }: ClientAddress, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;

/** Whether two words begin with the same bits. A shift by 32 would be none. */
export const isSamePrefix = (one: number, other: number, bits: number): boolean =>
  bits <= 0 || (one ^ other) >>> (bits >= 32 ? 0 : 32 - bits) === 0;

/** Whether two networks have an address in common: then one of them holds the other. */
export const overlap = (a: Network, b: Network): boolean => {
  if (a.family !== b.family) return false;
  const shared = Math.min(a.length, b.length);
  for (let at = 0; 8 * at < shared; at += 4)
    if (!isSamePrefix(wordAt(a, at), wordAt(b, at), shared - 8 * at)) return false;
  return true;
};

/** A shorter prefix than this is taken for a slip: it holds a 256th of all IPv4 addresses, or a whole registry's IPv6. */
export const SHORTEST_PREFIX = { 4: 8, 6: 16 } as const;

export const isTooWide = ({ family, length }: Network): boolean => length < SHORTEST_PREFIX[family];
