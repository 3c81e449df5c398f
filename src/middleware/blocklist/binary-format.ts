/**
 * The binary form of a blocklist: what the origin compiles, and the edge reads where it stands, without work for each
 * entry. All numbers are little-endian, as the typed arrays of every machine are that runs an edge; what reads it on
 * another one finds no blocklist there.
 *
 * A header of four Uint32 (magic, version of the form, IPv4 entries, IPv6 entries), then columns: for IPv4, and after it
 * for IPv6, `starts`, `expiries` and `parents` as Uint32, an IPv6 start as four of them; at the end the `lengths` of both
 * as Uint8, so that every column is aligned. The entries of a family are sorted by their first address, and of those with
 * the same one the widest is the first: then whatever holds an entry stands before it.
 */

/** "BWBL". */
export const MAGIC = 0x4c42_5742;
export const FORM_VERSION = 1;
export const HEADER_BYTES = 16;
export const WORD_BYTES = 4;

/** Uint32 of a start. */
export const START_WORDS = { 4: 1, 6: 4 } as const;

/** No expiry: it stands for ever. */
export const FOR_EVER = 0;
/** No parent: nothing holds the entry. */
export const NO_PARENT = 0;

/** Where a family's columns begin, bytes. */
export interface Columns {
  readonly starts: number;
  /** Epoch seconds, rounded up. */
  readonly expiries: number;
  /** The number, from 1, of the narrowest other entry that holds it. */
  readonly parents: number;
  /** Of the prefix, bits. */
  readonly lengths: number;
}

export interface Layout {
  readonly ipv4: Columns;
  readonly ipv6: Columns;
  /** Of the whole. */
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
