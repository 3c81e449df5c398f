/** A long blocklist: addresses and ranges of both families, but no client's. */
import { compileBlocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { type Network, parseNetwork } from "../../../src/middleware/blocklist/network.ts";
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";

const IPV4_ENTRIES = 80_000;
const IPV6_ENTRIES = 20_000;
/** Every nth entry is a range. */
const RANGE_IN = 5;

/** Addresses of two entries. */
export const BLOCKED_ADDRESSES = ["11.0.0.77", "2a01:7::77"] as const;

const random = seededRandom(2);
const upTo = (limit: number): number => Math.floor(random() * limit);
const word = (): string => upTo(65_536).toString(16);
const rangeOf = (index: number, lengths: readonly number[]): string =>
  index % RANGE_IN === 0 ? `/${lengths[upTo(lengths.length)]}` : "";

/** The clients' addresses begin with 203. */
const ipv4 = (_: unknown, index: number): string =>
  `${11 + upTo(109)}.${upTo(256)}.${upTo(256)}.${upTo(256)}${rangeOf(index, [24, 26, 28])}`;

/** The clients' addresses begin with 2001. */
const ipv6 = (_: unknown, index: number): string =>
  `2a0${upTo(10)}:${word()}:${word()}:${word()}::${word()}${rangeOf(index, [48, 56, 64])}`;

const read = (text: string): Network => {
  const network = parseNetwork(text);
  if (network === undefined) throw new Error(`${text} is no network`);
  return network;
};

/** 100,000 entries, hardly any of them twice. */
export const longBlocklist = (): Uint8Array<ArrayBuffer> =>
  compileBlocklist(
    [
      ...BLOCKED_ADDRESSES,
      ...Array.from({ length: IPV4_ENTRIES }, ipv4),
      ...Array.from({ length: IPV6_ENTRIES - BLOCKED_ADDRESSES.length }, ipv6),
    ].map((text) => ({ network: read(text), expiresAtMs: null })),
  );

export const emptyBlocklist = (): Uint8Array<ArrayBuffer> => compileBlocklist([]);
