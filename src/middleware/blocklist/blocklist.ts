/**
 * The blocklist: compiled by an origin, and read by the edge in place, without work per entry. Networks of one family and
 * prefix length make a table, sorted by address. A lookup is a binary search in each table, the longest prefix first.
 *
 * All numbers are Uint32 in the byte order of the machine, which is little-endian on both tiers; a big-endian reader finds
 * no list. A header (magic, format version, number of tables) is followed by the tables: family, prefix length, number of
 * networks, then the networks' prefixes, of as many words as the length needs, then their expiries.
 */
import type { ClientAddress } from "../context/client.ts";
import { type Network, networkOf, writeCidr } from "./network.ts";

export interface BlocklistEntry {
  readonly network: Network;
  /** Epoch milliseconds; null if permanent. */
  readonly expiresAtMs: number | null;
}

/** "BWBL". */
const MAGIC = 0x4c42_5742;
const FORMAT_VERSION = 2;
const HEADER_WORDS = 3;
const TABLE_HEADER_WORDS = 3;
/** Above every prefix length. */
const TABLE_KEY = 1_000;
const WORD_BYTES = 4;

/** Bits of an IPv6 address. */
const MAX_LENGTH = 128;

const PERMANENT = 0;
const LAST_SECOND = 0xffff_ffff;

/** Second 0 means permanent, so an expiry at the epoch becomes second 1, and one past the last second permanent. */
const expirySecond = (expiresAtMs: number | null): number => {
  if (expiresAtMs === null) return PERMANENT;
  const seconds = Math.max(1, Math.ceil(expiresAtMs / 1_000));
  return seconds > LAST_SECOND ? PERMANENT : seconds;
};

const wordsFor = (length: number): number => Math.ceil(length / 32);

/** The first `length` bits of an address as words; unused bits of the last one are zero. */
const prefixOf = ({ bytes }: ClientAddress, length: number): readonly number[] => {
  const words: number[] = [];
  for (let at = 0; 8 * at < length; at += WORD_BYTES) {
    const unused = Math.max(0, 8 * at + 32 - length);
    const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
    words.push(((high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) & (-1 << unused)) >>> 0);
  }
  return words;
};

const compare = (a: readonly number[], b: readonly number[]): number => {
  let word = 0;
  while (word < a.length - 1 && a[word] === b[word]) word += 1;
  return (a[word] ?? 0) - (b[word] ?? 0);
};

/** Writes a table at an index of the words. @param entries of one family and prefix length @returns the index behind it */
const writeTable = (
  words: Uint32Array,
  at: number,
  entries: readonly BlocklistEntry[],
  length: number,
): number => {
  const rows = entries
    .map(({ network, expiresAtMs }) => ({ prefix: prefixOf(network, length), expiresAtMs }))
    .sort((a, b) => compare(a.prefix, b.prefix));
  words.set([entries[0]?.network.family ?? 0, length, rows.length], at);
  let prefixAt = at + TABLE_HEADER_WORDS;
  let expiryAt = prefixAt + wordsFor(length) * rows.length;
  for (const { prefix, expiresAtMs } of rows) {
    words.set(prefix, prefixAt);
    words[expiryAt] = expirySecond(expiresAtMs);
    prefixAt += prefix.length;
    expiryAt += 1;
  }
  return expiryAt;
};

/** @param entries in any order; each network once */
export const compileBlocklist = (entries: readonly BlocklistEntry[]): Uint8Array<ArrayBuffer> => {
  const byTable = Map.groupBy(entries, ({ network: { family, length } }) => TABLE_KEY * family + length);
  const tables = [...byTable]
    .sort(([a], [b]) => b - a)
    .map(([key, each]) => ({ each, length: key % TABLE_KEY }));
  const sizes = tables.map(({ each, length }) => TABLE_HEADER_WORDS + (wordsFor(length) + 1) * each.length);
  const words = new Uint32Array(HEADER_WORDS + sizes.reduce((sum, size) => sum + size, 0));
  words.set([MAGIC, FORMAT_VERSION, tables.length]);
  let at = HEADER_WORDS;
  for (const { each, length } of tables) at = writeTable(words, at, each, length);
  return new Uint8Array(words.buffer);
};

interface Table {
  readonly family: number;
  /** Prefix length, bits. */
  readonly length: number;
  readonly prefixes: Uint32Array;
  /** Epoch seconds, rounded up. */
  readonly expiries: Uint32Array;
}

/** Undefined unless the words are exactly that many tables. */
const readTables = (words: Uint32Array, count: number): Table[] | undefined => {
  const tables: Table[] = [];
  let at = HEADER_WORDS;
  while (tables.length < count && at < words.length) {
    const [family = 0, length = 0, rows = 0] = words.subarray(at, at + TABLE_HEADER_WORDS);
    if (length > MAX_LENGTH) return undefined;
    const prefixesAt = at + TABLE_HEADER_WORDS;
    const expiriesAt = prefixesAt + wordsFor(length) * rows;
    at = expiriesAt + rows;
    const prefixes = words.subarray(prefixesAt, expiriesAt);
    tables.push({ family, length, prefixes, expiries: words.subarray(expiriesAt, at) });
  }
  return tables.length === count && at === words.length ? tables : undefined;
};

/** The index of the prefix in a table, or -1. */
const indexOf = ({ prefixes, expiries }: Table, prefix: readonly number[]): number => {
  let low = 0;
  let high = expiries.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    let difference = 0;
    for (let word = 0; word < prefix.length && difference === 0; word += 1)
      difference = (prefixes[middle * prefix.length + word] ?? 0) - (prefix[word] ?? 0);
    if (difference === 0) return middle;
    if (difference < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
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

const match = (tables: readonly Table[], address: ClientAddress, nowMs: number): Blocked | undefined => {
  for (const table of tables) {
    if (table.family !== address.family) continue;
    const expiry = table.expiries[indexOf(table, prefixOf(address, table.length))];
    if (expiry === undefined || (expiry !== PERMANENT && expiry * 1_000 <= nowMs)) continue;
    const network = writeCidr(networkOf(address, table.length));
    return { network, expiresAtMs: expiry === PERMANENT ? null : expiry * 1_000 };
  }
  return undefined;
};

/**
 * Reads what `compileBlocklist` returns; the bytes must not change afterwards. Undefined for any other format: an edge
 * may be older or newer than the origin that published the list.
 */
export const readBlocklist = (bytes: Uint8Array): Blocklist | undefined => {
  if (bytes.byteLength % WORD_BYTES !== 0) return undefined;
  // Copied by the constructor unless aligned: `slice` of Node's Buffer returns the same memory.
  const { buffer, byteOffset, byteLength } =
    bytes.byteOffset % WORD_BYTES === 0 ? bytes : new Uint8Array(bytes);
  const words = new Uint32Array(buffer, byteOffset, byteLength / WORD_BYTES);
  const [magic, version, count = 0] = words;
  if (magic !== MAGIC || version !== FORMAT_VERSION) return undefined;
  const tables = readTables(words, count);
  return (
    tables && {
      size: tables.reduce((size, { expiries }) => size + expiries.length, 0),
      match: (address, nowMs) => match(tables, address, nowMs),
    }
  );
};
