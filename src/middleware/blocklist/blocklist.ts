/**
 * The blocklist's binary format: an origin compiles it, and the edge reads it in place, without work per
 * entry. Networks of one family and prefix length form a table sorted by address. A lookup is a binary search
 * per table, longest prefix first.
 *
 * All numbers are Uint32 in machine byte order, which is little-endian on both tiers. The header (magic,
 * format version, number of tables) precedes the tables: family, prefix length, number of networks, prefixes
 * of as many words as the length needs, expiries.
 *
 * Networks that were blocked automatically are listed a second time, in tables whose family has the bit `AUTOMATIC`: an
 * edge that does not know the bit ignores those tables, and still enforces each block.
 */
import type { ClientAddress } from "../context/client.ts";
import { type Network, networkOf, writeCidr } from "./network.ts";

export interface BlocklistEntry {
  readonly network: Network;
  /** Epoch milliseconds; null if permanent. */
  readonly expiresAtMs: number | null;
  /** @default an operator's block */
  readonly isAutomatic?: boolean;
}

/** "BWBL". */
const MAGIC = 0x4c42_5742;
const FORMAT_VERSION = 2;
const HEADER_WORDS = 3;
const TABLE_HEADER_WORDS = 3;
/** Above every prefix length. */
const TABLE_KEY = 1_000;
const WORD_BYTES = 4;

const MAX_LENGTH = 128;

/** Added to the family, 4 or 6. */
const AUTOMATIC = 0x100;

const PERMANENT = 0;
const LAST_SECOND = 0xffff_ffff;

/** An expiry at the epoch becomes second 1, because 0 means permanent. */
const expirySecond = (expiresAtMs: number | null): number => {
  const seconds = Math.max(1, Math.ceil((expiresAtMs ?? Number.POSITIVE_INFINITY) / 1_000));
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

/** @param entries of one family and prefix length */
const tableWords = (entries: readonly BlocklistEntry[], family: number, length: number): number[] => {
  const rows = entries
    .map(({ network, expiresAtMs }) => ({ prefix: prefixOf(network, length), expiresAtMs }))
    .sort((a, b) => compare(a.prefix, b.prefix));
  const expiries = rows.map(({ expiresAtMs }) => expirySecond(expiresAtMs));
  return [family, length, rows.length, ...rows.flatMap(({ prefix }) => prefix), ...expiries];
};

/** @param entries in any order; each network once */
export const compileBlocklist = (entries: readonly BlocklistEntry[]): Uint8Array<ArrayBuffer> => {
  const tableOf = ({ network: { family, length } }: BlocklistEntry): number => TABLE_KEY * family + length;
  const byTable = Map.groupBy(entries, tableOf);
  const automatic = entries.filter(({ isAutomatic }) => isAutomatic);
  const marks = Map.groupBy(automatic, (entry) => TABLE_KEY * AUTOMATIC + tableOf(entry));
  const tables = [...byTable, ...marks]
    .sort(([a], [b]) => b - a)
    .map(([key, each]) => tableWords(each, Math.floor(key / TABLE_KEY), key % TABLE_KEY));
  const words = new Uint32Array([[MAGIC, FORMAT_VERSION, tables.length], ...tables].flat());
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

/** Undefined unless the words consist of exactly `count` tables. */
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

/** The prefix's index in the table, or -1. */
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
  /** The narrowest listed network that contains it, such as `192.0.2.0/24`. */
  readonly network: string;
  /** Epoch milliseconds, a whole second; null if permanent. */
  readonly expiresAtMs: number | null;
  /** Whether the abuse score caused the block. */
  readonly isAutomatic: boolean;
}

export interface Blocklist {
  /** Number of entries, expired ones included. */
  readonly size: number;
  /** An operator's block rather than an automatic one; undefined if no current entry contains the address. */
  match(address: ClientAddress, nowMs: number): Blocked | undefined;
}

/** @param automatic the tables of automatic blocks */
const match = (
  tables: readonly Table[],
  automatic: readonly Table[],
  address: ClientAddress,
  nowMs: number,
): Blocked | undefined => {
  let found: Blocked | undefined;
  for (const table of tables) {
    if (table.family !== address.family) continue;
    const prefix = prefixOf(address, table.length);
    const expiry = table.expiries[indexOf(table, prefix)];
    if (expiry === undefined || (expiry !== PERMANENT && expiry * 1_000 <= nowMs)) continue;
    const isAutomatic = automatic.some(
      (marks) =>
        marks.family === table.family + AUTOMATIC &&
        marks.length === table.length &&
        indexOf(marks, prefix) >= 0,
    );
    if (isAutomatic && found !== undefined) continue;
    const network = writeCidr(networkOf(address, table.length));
    found = { network, expiresAtMs: expiry === PERMANENT ? null : expiry * 1_000, isAutomatic };
    if (!isAutomatic) break;
  }
  return found;
};

/**
 * Reads the result of `compileBlocklist`; the bytes must not change afterwards. Undefined for any other
 * format, such as that of an older or newer origin.
 */
export const readBlocklist = (bytes: Uint8Array): Blocklist | undefined => {
  if (bytes.byteLength % WORD_BYTES !== 0) return undefined;
  // The constructor copies; `slice` of Node's Buffer would share the unaligned memory.
  const { buffer, byteOffset, byteLength } =
    bytes.byteOffset % WORD_BYTES === 0 ? bytes : new Uint8Array(bytes);
  const words = new Uint32Array(buffer, byteOffset, byteLength / WORD_BYTES);
  const [magic, version, count = 0] = words;
  if (magic !== MAGIC || version !== FORMAT_VERSION) return undefined;
  const all = readTables(words, count);
  if (all === undefined) return undefined;
  const tables = all.filter(({ family }) => family < AUTOMATIC);
  const automatic = all.filter(({ family }) => family >= AUTOMATIC);
  return {
    size: tables.reduce((size, { expiries }) => size + expiries.length, 0),
    match: (address, nowMs) => match(tables, automatic, address, nowMs),
  };
};
