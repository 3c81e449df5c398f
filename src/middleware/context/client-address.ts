/**
 * A client's address, read and made canonical: IPv4 in four decimal numbers, IPv6 as RFC 5952 writes it, and an IPv4
 * address that was mapped into IPv6 (RFC 4291 §2.5.5.2) as the IPv4 address that it is.
 */

export interface ClientAddress {
  readonly family: 4 | 6;
  /** In network order: 4 bytes, or 16. */
  readonly bytes: readonly number[];
}

const DECIMAL = /^(?:0|[1-9]\d{0,2})$/;
const HEXADECIMAL = /^[0-9a-f]{1,4}$/i;
const GROUPS = 8;
/** Longer than any address is written. */
const MAX_LENGTH = 45;

const parseIpv4 = (text: string): number[] | undefined => {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => DECIMAL.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
};

/** The 16-bit groups on one side of `::`. The last one may be an IPv4 address, which makes two. */
const parseGroups = (text: string): number[] | undefined => {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (HEXADECIMAL.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      const [a = 0, b = 0, c = 0, d = 0] = parseIpv4(part) ?? [-1];
      if (a < 0 || index !== parts.length - 1) return undefined;
      groups.push(a * 256 + b, c * 256 + d);
    }
  }
  return groups;
};

const parseIpv6 = (text: string): number[] | undefined => {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(parseGroups);
  if (head === undefined) return undefined;
  // What stands before `::` cannot end in an IPv4 address.
  if (halves.length === 2 && halves[0]?.includes(".")) return undefined;
  if (halves.length === 1) return head.length === GROUPS ? head : undefined;
  const missing = tail === undefined ? -1 : GROUPS - head.length - tail.length;
  if (tail === undefined || missing < 1) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
};

const isMapped = (groups: readonly number[]): boolean =>
  groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;

/** Undefined for what is no address. */
export const parseAddress = (text: string): ClientAddress | undefined => {
  if (text.length > MAX_LENGTH) return undefined;
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return { family: 4, bytes: ipv4 };
  const groups = parseIpv6(text);
  if (groups === undefined) return undefined;
  const bytes = groups.flatMap((group) => [group >> 8, group & 0xff]);
  return isMapped(groups) ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes };
};

const groupsOf = (bytes: readonly number[]): number[] =>
  Array.from({ length: bytes.length / 2 }, (_, index) => {
    const [high = 0, low = 0] = bytes.slice(2 * index, 2 * index + 2);
    return high * 256 + low;
  });

/** The longest run of two zeros or more, the first of several (RFC 5952 §4.2). */
const longestZeros = (groups: readonly number[]): { from: number; length: number } => {
  let best = { from: 0, length: 1 };
  for (let from = 0; from < groups.length; from += 1) {
    let end = from;
    while (end < groups.length && groups[end] === 0) end += 1;
    if (end - from > best.length) best = { from, length: end - from };
    from = Math.max(from, end);
  }
  return best;
};

const hexadecimal = (groups: readonly number[]): string =>
  groups.map((group) => group.toString(16)).join(":");

export const writeAddress = ({ family, bytes }: ClientAddress): string => {
  if (family === 4) return bytes.join(".");
  const groups = groupsOf(bytes);
  const { from, length } = longestZeros(groups);
  if (length < 2) return hexadecimal(groups);
  return `${hexadecimal(groups.slice(0, from))}::${hexadecimal(groups.slice(from + length))}`;
};

/** What is one client's: an IPv4 address, or the /64 of an IPv6 address, within which a client takes any it likes. */
export const writeNetwork = (address: ClientAddress): string =>
  address.family === 4
    ? writeAddress(address)
    : `${writeAddress({ family: 6, bytes: address.bytes.map((byte, index) => (index < 8 ? byte : 0)) })}/64`;
