/** A long blocklist: addresses and ranges of both families, none of them a client's. */
import { compileBlocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { type Network, parseNetwork, writeCidr } from "../../../src/middleware/blocklist/network.ts";
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";

const IPV4_ENTRIES = 80_000;
const IPV6_ENTRIES = 20_000;
export const ENTRIES = IPV4_ENTRIES + IPV6_ENTRIES;

/** One entry in so many is a range. */
const RANGE_IN = 5;
const IPV4_RANGES = [24, 26, 28] as const;
const IPV6_RANGES = [48, 56, 64] as const;

/** First octets; the clients' is 203. */
const FIRST_OCTETS = { from: 11, to: 120 } as const;
/** What IPv6 addresses begin with; the clients' with 2001. */
const IPV6_START = "2a0";

/** Addresses of two entries. */
export const BLOCKED_ADDRESSES = ["11.0.0.77", "2a01:7::77"] as const;

const random = seededRandom(2);
const upTo = (limit: number): number => Math.floor(random() * limit);
const oneOf = <Item>(items: readonly Item[]): Item | undefined => items[upTo(items.length)];
const word = (): string => upTo(65_536).toString(16);

const read = (text: string): Network => {
  const network = parseNetwork(text);
  if (network === undefined) throw new Error(`${text} is no network`);
  return network;
};

const withRange = (address: string, index: number, lengths: readonly number[]): string =>
  index % RANGE_IN === 0 ? `${address}/${oneOf(lengths)}` : address;

const ipv4 = (index: number): string => {
  const first = FIRST_OCTETS.from + upTo(FIRST_OCTETS.to - FIRST_OCTETS.from);
  return withRange(`${first}.${upTo(256)}.${upTo(256)}.${upTo(256)}`, index, IPV4_RANGES);
};

const ipv6 = (index: number): string =>
  withRange(`${IPV6_START}${upTo(10)}:${word()}:${word()}:${word()}::${word()}`, index, IPV6_RANGES);

/** Each once. */
const networks = (): Iterable<Network> => {
  const known = new Map<string, Network>();
  const add = (text: string): void => {
    const network = read(text);
    known.set(writeCidr(network), network);
  };
  BLOCKED_ADDRESSES.forEach(add);
  while (known.size < IPV4_ENTRIES) add(ipv4(known.size));
  while (known.size < ENTRIES) add(ipv6(known.size));
  return known.values();
};

export const longBlocklist = (): Uint8Array<ArrayBuffer> =>
  compileBlocklist(Array.from(networks(), (network) => ({ network, expiresAtMs: null })));

export const emptyBlocklist = (): Uint8Array<ArrayBuffer> => compileBlocklist([]);
