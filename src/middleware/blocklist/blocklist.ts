/**
 * Reads a compiled blocklist in place. A lookup costs a binary search and a step for each entry around the address that
 * contains another one; it allocates nothing for an address that is not blocked.
 */
import type { ClientAddress } from "../context/client.ts";
import {
  compiledBytes,
  type Family,
  FORMAT_VERSION,
  familiesOf,
  HEADER_BYTES,
  MAGIC,
  NO_PARENT,
  PERMANENT,
  WORD_BYTES,
} from "./binary-format.ts";
import { isSamePrefix, networkOf, wordAt, writeCidr } from "./network.ts";

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
