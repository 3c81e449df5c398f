/**
 * The binary form of a blocklist: compiled by an origin, and read by the edge in place, without work per entry. All
 * numbers are little-endian, like the typed arrays of every machine that runs an edge; a big-endian reader sees no list.
 *
 * A header of four Uint32 (magic, format version, IPv4 entries, IPv6 entries) is followed by columns: for IPv4, then for
 * IPv6, `starts`, `expiries` and `parents` as Uint32, an IPv6 start as four of them; last the `lengths` of both as Uint8,
 * so that every column is aligned. The entries of a family are sorted by their first address, the wider first, so that
 * every entry stands behind those that contain it.
 */
import { type Network, overlap, wordAt } from "./network.ts";

export interface BlocklistEntry {
  readonly network: Network;
  /** Epoch milliseconds; null if permanent. */
  readonly expiresAtMs: number | null;
}

/** "BWBL". */
export const MAGIC = 0x4c42_5742;
export const FORMAT_VERSION = 1;
export const HEADER_BYTES = 16;
export const WORD_BYTES = 4;

/** Uint32 per start. */
export const START_WORDS = { 4: 1, 6: 4 } as const;

/** The expiry of a permanent entry. */
export const PERMANENT = 0;
/** The parent of an entry that no other entry contains. */
export const NO_PARENT = 0;

/** Where a family's columns begin, bytes. */
export interface Columns {
  readonly starts: number;
  /** Epoch seconds, rounded up. */
  readonly expiries: number;
  /** The number, from 1, of the narrowest other entry that contains this one. */
  readonly parents: number;
  /** Prefix lengths, bits. */
  readonly lengths: number;
}

export interface Layout {
  readonly ipv4: Columns;
  readonly ipv6: Columns;
  /** Total size. */
  readonly bytes: number;
}

export const layoutOf = (ipv4Count: number, ipv6Count: number): Layout => {
  const columnsOf = (starts: number, startWords: number, count: number, lengths: number): Columns => {
    const expiries = starts + startWords * WORD_BYTES * count;
    return { starts, expiries, parents: expiries + WORD_BYTES * count, lengths };
  };
  const ipv6Starts = HEADER_BYTES + (START_WORDS[4] + 2) * WORD_BYTES * ipv4Count;
  const lengths = ipv6Starts + (START_WORDS[6] + 2) * WORD_BYTES * ipv6Count;
  return {
    ipv4: columnsOf(HEADER_BYTES, START_WORDS[4], ipv4Count, lengths),
    ipv6: columnsOf(ipv6Starts, START_WORDS[6], ipv6Count, lengths + ipv4Count),
    bytes: lengths + ipv4Count + ipv6Count,
  };
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

const writeColumns = (view: DataView, columns: Columns, entries: readonly BlocklistEntry[]): void => {
  /** The numbers of the entries that contain the current one, the widest first. */
  const parents: number[] = [];
  const contains = (number: number, network: Network): boolean => {
    const parent = entries[number - 1];
    return parent !== undefined && overlap(parent.network, network);
  };
  let startAt = columns.starts;
  entries.forEach(({ network, expiresAtMs }, index) => {
    while (parents.length > 0 && !contains(parents.at(-1) ?? NO_PARENT, network)) parents.pop();
    for (let at = 0; at < network.bytes.length; at += WORD_BYTES, startAt += WORD_BYTES)
      view.setUint32(startAt, wordAt(network, at), true);
    view.setUint32(columns.expiries + index * WORD_BYTES, expirySecond(expiresAtMs), true);
    view.setUint32(columns.parents + index * WORD_BYTES, parents.at(-1) ?? NO_PARENT, true);
    view.setUint8(columns.lengths + index, network.length);
    parents.push(index + 1);
  });
};

/** Takes the entries in any order; sorted ones compile faster. */
export const compileBlocklist = (entries: readonly BlocklistEntry[]): Uint8Array<ArrayBuffer> => {
  const ipv4 = sorted(entries, 4);
  const ipv6 = sorted(entries, 6);
  const layout = layoutOf(ipv4.length, ipv6.length);
  const bytes = new Uint8Array(layout.bytes);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of [MAGIC, FORMAT_VERSION, ipv4.length, ipv6.length].entries())
    view.setUint32(index * WORD_BYTES, word, true);
  writeColumns(view, layout.ipv4, ipv4);
  writeColumns(view, layout.ipv6, ipv6);
  return bytes;
};
