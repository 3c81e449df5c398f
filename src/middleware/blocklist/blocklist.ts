/**
 * A compiled blocklist, read where it stands. Looking an address up costs a binary search and a step for each entry that
 * holds another one around the address; nothing is allocated for an address that is not blocked.
 */
import type { ClientAddress } from "../context/client-address.ts";
import {
  type Columns,
  FOR_EVER,
  FORM_VERSION,
  HEADER_BYTES,
  layoutOf,
  MAGIC,
  NO_PARENT,
  START_WORDS,
} from "./binary-format.ts";
import { isSamePrefix, networkOf, wordAt, writeCidr } from "./network.ts";
import { lastIpv4Start, lastIpv6Start } from "./search.ts";

/** Why an address is blocked. */
export interface Blocked {
  /** The narrowest network of the list in which it lies, in its one form: `192.0.2.0/24`. */
  readonly network: string;
  /** Epoch milliseconds, a whole second; null for ever. */
  readonly expiresAtMs: number | null;
}

export interface Blocklist {
  /** Entries, those that have expired since it was compiled among them. */
  readonly size: number;
  /** Undefined where nothing that is in force holds the address. */
  match(address: ClientAddress, nowMs: number): Blocked | undefined;
}

interface Family {
  readonly starts: Uint32Array;
  readonly expiries: Uint32Array;
  readonly parents: Uint32Array;
  readonly lengths: Uint8Array;
}

const familyAt = (bytes: Uint8Array, columns: Columns, count: number, startWords: number): Family => {
  const { buffer, byteOffset } = bytes;
  return {
    starts: new Uint32Array(buffer, byteOffset + columns.starts, count * startWords),
    expiries: new Uint32Array(buffer, byteOffset + columns.expiries, count),
    parents: new Uint32Array(buffer, byteOffset + columns.parents, count),
    lengths: new Uint8Array(buffer, byteOffset + columns.lengths, count),
  };
};

const isInForce = ({ expiries }: Family, index: number, nowMs: number): boolean => {
  const expiry = expiries[index] ?? 1;
  return expiry === FOR_EVER || expiry * 1_000 > nowMs;
};

/**
 * The entry that holds this one, or -1. What holds another one stands before it, and is wider: bytes that say otherwise end
 * the search, which so takes no more steps than a prefix has lengths, whatever the bytes are.
 */
const parentOf = ({ parents, lengths }: Family, index: number): number => {
  const number = parents[index] ?? NO_PARENT;
  if (number === NO_PARENT || number > index) return -1;
  const parent = number - 1;
  return (lengths[parent] ?? 0) < (lengths[index] ?? 0) ? parent : -1;
};

const findIpv4 = (family: Family, a: number, nowMs: number): number => {
  const { starts, lengths } = family;
  let index = lastIpv4Start(starts, a);
  while (index >= 0) {
    if (isSamePrefix(starts[index] ?? 0, a, lengths[index] ?? 0) && isInForce(family, index, nowMs)) break;
    index = parentOf(family, index);
  }
  return index;
};

const findIpv6 = (family: Family, a: number, b: number, c: number, d: number, nowMs: number): number => {
  const { starts, lengths } = family;
  let index = lastIpv6Start(starts, a, b, c, d);
  while (index >= 0) {
    const at = index * START_WORDS[6];
    const bits = lengths[index] ?? 0;
    const holds =
      isSamePrefix(starts[at] ?? 0, a, bits) &&
      isSamePrefix(starts[at + 1] ?? 0, b, bits - 32) &&
      isSamePrefix(starts[at + 2] ?? 0, c, bits - 64) &&
      isSamePrefix(starts[at + 3] ?? 0, d, bits - 96);
    if (holds && isInForce(family, index, nowMs)) break;
    index = parentOf(family, index);
  }
  return index;
};

const blockedBy = ({ lengths, expiries }: Family, index: number, address: ClientAddress): Blocked => {
  const expiry = expiries[index] ?? FOR_EVER;
  return {
    network: writeCidr(networkOf(address, lengths[index])),
    expiresAtMs: expiry === FOR_EVER ? null : expiry * 1_000,
  };
};

/** Not by `slice`: Node's Buffer answers it with the same bytes in the same place. */
const aligned = (bytes: Uint8Array): Uint8Array =>
  bytes.byteOffset % Uint32Array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);

/**
 * Reads what `compileBlocklist` has made; the bytes have to stay as they are. Undefined for what is not of this form: an
 * edge may be older or newer than the origin that has published it.
 */
export const readBlocklist = (bytes: Uint8Array): Blocklist | undefined => {
  if (bytes.byteLength < HEADER_BYTES) return undefined;
  const whole = aligned(bytes);
  const header = new Uint32Array(
    whole.buffer,
    whole.byteOffset,
    HEADER_BYTES / Uint32Array.BYTES_PER_ELEMENT,
  );
  const [magic, version, ipv4Count = 0, ipv6Count = 0] = header;
  if (magic !== MAGIC || version !== FORM_VERSION) return undefined;
  const layout = layoutOf(ipv4Count, ipv6Count);
  if (whole.byteLength !== layout.bytes) return undefined;
  const ipv4 = familyAt(whole, layout.ipv4, ipv4Count, START_WORDS[4]);
  const ipv6 = familyAt(whole, layout.ipv6, ipv6Count, START_WORDS[6]);
  return {
    size: ipv4Count + ipv6Count,
    match: (address, nowMs) => {
      const isIpv4 = address.family === 4;
      const index = isIpv4
        ? findIpv4(ipv4, wordAt(address, 0), nowMs)
        : findIpv6(
            ipv6,
            wordAt(address, 0),
            wordAt(address, 4),
            wordAt(address, 8),
            wordAt(address, 12),
            nowMs,
          );
      return index < 0 ? undefined : blockedBy(isIpv4 ? ipv4 : ipv6, index, address);
    },
  };
};
