/**
 * The blocklist: compiled by an origin, and read by the edge in place, without work per entry. A lookup costs a binary
 * search and a step for each entry around the address that contains another one; it allocates nothing for an address that
 * is not blocked.
 *
 * Numbers have the byte order of the machine, which is little-endian on both tiers; a big-endian reader sees no list. A
 * header of four Uint32 (magic, format version, IPv4 entries, IPv6 entries) is followed by columns: for IPv4, then for
 * IPv6, `starts`, `expiries` and `parents` as Uint32, an IPv6 start as four of them; last the `lengths` of both as Uint8,
 * so that every column is aligned. The entries of a family are sorted by their first address, the wider first, so that
 * every entry stands behind those that contain it.
 */
import type { ClientAddress } from "../context/client.ts";
import { isSamePrefix, type Network, networkOf, overlap, wordAt, writeCidr } from "./network.ts";

export interface BlocklistEntry {
  readonly network: Network;
  /** Epoch milliseconds; null if permanent. */
  readonly expiresAtMs: number | null;
}

/** "BWBL". */
const MAGIC = 0x4c42_5742;
const FORMAT_VERSION = 1;
export const HEADER_BYTES = 16;
export const WORD_BYTES = 4;

const PERMANENT = 0;
/** The parent of an entry that no other entry contains. */
const NO_PARENT = 0;

/** The columns of a family, in place. */
interface Family {
  /** Words per start. */
  readonly startWords: number;
  readonly starts: Uint32Array;
  /** Epoch seconds, rounded up. */
  readonly expiries: Uint32Array;
  /** The number, from 1, of the narrowest other entry that contains this one. */
  readonly parents: Uint32Array;
  readonly lengths: Uint8Array;
}

export const compiledBytes = (ipv4Count: number, ipv6Count: number): number =>
  HEADER_BYTES + (3 * WORD_BYTES + 1) * ipv4Count + (6 * WORD_BYTES + 1) * ipv6Count;

/** @param bytes of the whole list, aligned to words */
export const familiesOf = (
  { buffer, byteOffset }: Uint8Array,
  ipv4Count: number,
  ipv6Count: number,
): { readonly ipv4: Family; readonly ipv6: Family } => {
  let wordsAt = byteOffset + HEADER_BYTES;
  let lengthsAt = byteOffset + compiledBytes(ipv4Count, ipv6Count) - ipv4Count - ipv6Count;
  const column = (words: number): Uint32Array => {
    const at = wordsAt;
    wordsAt += WORD_BYTES * words;
    return new Uint32Array(buffer, at, words);
  };
  const family = (startWords: number, count: number): Family => {
    const lengths = new Uint8Array(buffer, lengthsAt, count);
    lengthsAt += count;
    return {
      startWords,
      starts: column(startWords * count),
      expiries: column(count),
      parents: column(count),
      lengths,
    };
  };
  return { ipv4: family(1, ipv4Count), ipv6: family(4, ipv6Count) };
};

/** By the first address, the wider network first. */
const compare = ({ network: a }: BlocklistEntry, { network: b }: BlocklistEntry): number => {
  for (let at = 0; at < a.bytes.length; at += WORD_BYTES) {
    const difference = wordAt(a, at) - wordAt(b, at);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

const LAST_SECOND = 0xffff_ffff;

/** Second 0 means permanent, so an expiry at the epoch becomes second 1, and one past the last second permanent. */
const expirySecond = (expiresAtMs: number | null): number => {
  if (expiresAtMs === null) return PERMANENT;
  const seconds = Math.max(1, Math.ceil(expiresAtMs / 1_000));
  return seconds > LAST_SECOND ? PERMANENT : seconds;
};

const longerLasting = (a: BlocklistEntry, b: BlocklistEntry): BlocklistEntry =>
  (a.expiresAtMs ?? Number.POSITIVE_INFINITY) >= (b.expiresAtMs ?? Number.POSITIVE_INFINITY) ? a : b;

/** In order, each network once; the longest-lasting of duplicates. */
const sorted = (entries: readonly BlocklistEntry[], family: 4 | 6): BlocklistEntry[] => {
  const unique: BlocklistEntry[] = [];
  for (const entry of entries.filter(({ network }) => network.family === family).sort(compare)) {
    const last = unique.at(-1);
    if (last !== undefined && compare(last, entry) === 0)
      unique[unique.length - 1] = longerLasting(last, entry);
    else unique.push(entry);
  }
  return unique;
};

const fill = (
  { startWords, starts, expiries, parents, lengths }: Family,
  entries: readonly BlocklistEntry[],
) => {
  /** The numbers of the entries that contain the current one, the widest first. */
  const open: number[] = [];
  const contains = (number: number, network: Network): boolean => {
    const parent = entries[number - 1];
    return parent !== undefined && overlap(parent.network, network);
  };
  entries.forEach(({ network, expiresAtMs }, index) => {
    while (open.length > 0 && !contains(open.at(-1) ?? NO_PARENT, network)) open.pop();
    for (let word = 0; word < startWords; word += 1)
      starts[index * startWords + word] = wordAt(network, WORD_BYTES * word);
    expiries[index] = expirySecond(expiresAtMs);
    parents[index] = open.at(-1) ?? NO_PARENT;
    lengths[index] = network.length;
    open.push(index + 1);
  });
};

/** Takes the entries in any order; sorted ones compile faster. */
export const compileBlocklist = (entries: readonly BlocklistEntry[]): Uint8Array<ArrayBuffer> => {
  const ipv4 = sorted(entries, 4);
  const ipv6 = sorted(entries, 6);
  const bytes = new Uint8Array(compiledBytes(ipv4.length, ipv6.length));
  new Uint32Array(bytes.buffer, 0, HEADER_BYTES / WORD_BYTES).set([
    MAGIC,
    FORMAT_VERSION,
    ipv4.length,
    ipv6.length,
  ]);
  const families = familiesOf(bytes, ipv4.length, ipv6.length);
  fill(families.ipv4, ipv4);
  fill(families.ipv6, ipv6);
  return bytes;
};

/** Why an address is blocked. */
export interface Blocked {
  /** The narrowest network of the list that contains it, in canonical form: `192.0.2.0/24`. */
  readonly network: string;
  /** Epoch milliseconds, a whole second; null if permanent. */
  readonly expiresAtMs: number | null;
}

export interface Blocklist {
  /** Number of entries, including those that have expired since it was compiled. */
  readonly size: number;
  /** Undefined if no entry in force contains the address. */
  match(address: ClientAddress, nowMs: number): Blocked | undefined;
}

/**
 * The index of the last start that is at most the address, or -1: a binary search with ⌈log₂(n + 1)⌉ steps.
 *
 * @param starts of sorted entries, each of `startWords` words
 */
export const lastStart = (starts: ArrayLike<number>, startWords: number, address: ClientAddress): number => {
  const first = wordAt(address, 0);
  let low = 0;
  let high = starts.length / startWords;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let start = starts[middle * startWords] ?? 0;
    let word = first;
    for (let index = 1; start === word && index < startWords; index += 1) {
      start = starts[middle * startWords + index] ?? 0;
      word = wordAt(address, WORD_BYTES * index);
    }
    if (start <= word) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};

const contains = (
  { starts, startWords, lengths }: Family,
  index: number,
  address: ClientAddress,
): boolean => {
  const bits = lengths[index] ?? 0;
  for (let word = 0; word < startWords && 32 * word < bits; word += 1) {
    const start = starts[index * startWords + word] ?? 0;
    if (!isSamePrefix(start, wordAt(address, WORD_BYTES * word), bits - 32 * word)) return false;
  }
  return true;
};

const isInForce = ({ expiries }: Family, index: number, nowMs: number): boolean => {
  const expiry = expiries[index] ?? 1;
  return expiry === PERMANENT || expiry * 1_000 > nowMs;
};

/**
 * The narrowest entry that contains this one, or -1. A parent stands before its entry and is wider. Bytes that say
 * otherwise end the search, so no bytes make it longer than the number of prefix lengths.
 */
const parentOf = ({ parents, lengths }: Family, index: number): number => {
  const number = parents[index] ?? NO_PARENT;
  if (number === NO_PARENT || number > index) return -1;
  const parent = number - 1;
  return (lengths[parent] ?? 0) < (lengths[index] ?? 0) ? parent : -1;
};

const find = (family: Family, address: ClientAddress, nowMs: number): number => {
  let index = lastStart(family.starts, family.startWords, address);
  while (index >= 0) {
    if (contains(family, index, address) && isInForce(family, index, nowMs)) break;
    index = parentOf(family, index);
  }
  return index;
};

const blockedBy = ({ lengths, expiries }: Family, index: number, address: ClientAddress): Blocked => {
  const expiry = expiries[index] ?? PERMANENT;
  return {
    network: writeCidr(networkOf(address, lengths[index])),
    expiresAtMs: expiry === PERMANENT ? null : expiry * 1_000,
  };
};

/** Copied by the constructor: `slice` of Node's Buffer returns the same memory. */
const aligned = (bytes: Uint8Array): Uint8Array =>
  bytes.byteOffset % WORD_BYTES === 0 ? bytes : new Uint8Array(bytes);

/**
 * Reads what `compileBlocklist` returns; the bytes must not change afterwards. Undefined for any other format: an edge
 * may be older or newer than the origin that published the list.
 */
export const readBlocklist = (bytes: Uint8Array): Blocklist | undefined => {
  if (bytes.byteLength < HEADER_BYTES) return undefined;
  const whole = aligned(bytes);
  const header = new Uint32Array(whole.buffer, whole.byteOffset, HEADER_BYTES / WORD_BYTES);
  const [magic, version, ipv4Count = 0, ipv6Count = 0] = header;
  if (magic !== MAGIC || version !== FORMAT_VERSION) return undefined;
  if (whole.byteLength !== compiledBytes(ipv4Count, ipv6Count)) return undefined;
  const { ipv4, ipv6 } = familiesOf(whole, ipv4Count, ipv6Count);
  return {
    size: ipv4Count + ipv6Count,
    match: (address, nowMs) => {
      const family = address.family === 4 ? ipv4 : ipv6;
      const index = find(family, address, nowMs);
      return index < 0 ? undefined : blockedBy(family, index, address);
    },
  };
};
