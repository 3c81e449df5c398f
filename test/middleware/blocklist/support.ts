import fc from "fast-check";
import {
  type Blocklist,
  type BlocklistEntry,
  compileBlocklist,
  readBlocklist,
} from "../../../src/middleware/blocklist/blocklist.ts";
import { type Network, networkOf, parseNetwork } from "../../../src/middleware/blocklist/network.ts";
import { type ClientAddress, parseAddress } from "../../../src/middleware/context/client.ts";

export const address = (text: string): ClientAddress => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is not an address`);
  return parsed;
};

export const network = (text: string): Network => {
  const parsed = parseNetwork(text);
  if (parsed === undefined) throw new Error(`${text} is not a network`);
  return parsed;
};

export const entry = (text: string, expiresAtMs: number | null = null): BlocklistEntry => ({
  network: network(text),
  expiresAtMs,
});

/** A block that the abuse score caused. */
export const automatic = (text: string, expiresAtMs: number | null = null): BlocklistEntry => ({
  ...entry(text, expiresAtMs),
  isAutomatic: true,
});

export const read = (bytes: Uint8Array): Blocklist => {
  const list = readBlocklist(bytes);
  if (list === undefined) throw new Error("the bytes are not a blocklist");
  return list;
};

export const blocklist = (entries: readonly BlocklistEntry[]): Blocklist => read(compileBlocklist(entries));

const LENGTHS = { 4: 4, 6: 16 } as const;

/**
 * A few values, so that addresses are close to each other, including those where signs and carries go wrong.
 */
const byte = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff) },
  { weight: 1, arbitrary: fc.nat({ max: 0xff }) },
);

/** Any address that is not IPv4-mapped. */
export const anyAddress = fc.constantFrom(4, 6).chain((family) =>
  fc
    .array(byte, { minLength: LENGTHS[family], maxLength: LENGTHS[family] })
    .map((bytes): ClientAddress => ({ family, bytes }))
    .filter(
      ({ bytes }) => family === 4 || !bitsOf({ bytes }).startsWith(`${"0".repeat(80)}${"1".repeat(16)}`),
    ),
);

export const anyNetwork = anyAddress.chain((each) =>
  fc.nat({ max: 8 * each.bytes.length }).map((length) => networkOf(each, length)),
);

/** The bits as text, to compare without shifts. */
export const bitsOf = ({ bytes }: { readonly bytes: readonly number[] }): string =>
  bytes.map((each) => each.toString(2).padStart(8, "0")).join("");

const ofBits = (bits: string): number[] =>
  Array.from({ length: bits.length / 8 }, (_, index) =>
    Number.parseInt(bits.slice(8 * index, 8 * index + 8), 2),
  );

/** The address with the network's prefix and the host's other bits. */
export const within = ({ family, bytes, length }: Network, host: readonly number[]): ClientAddress => ({
  family,
  bytes: ofBits(bitsOf({ bytes }).slice(0, length) + bitsOf({ bytes: host }).slice(length, 8 * bytes.length)),
});

/** The previous or next address, wrapping around. */
export const beside = ({ family, bytes }: ClientAddress, step: -1n | 1n): ClientAddress => {
  const bits = 8 * bytes.length;
  const number = BigInt.asUintN(bits, BigInt(`0b${bitsOf({ bytes })}`) + step);
  return { family, bytes: ofBits(number.toString(2).padStart(bits, "0")) };
};
