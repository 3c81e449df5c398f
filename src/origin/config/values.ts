/** The types of values that a key can have: how each is parsed from text, described and masked. */
import * as z from "zod";
import { parseNetwork } from "../../middleware/blocklist/network.ts";
import { parseSigningKeys } from "../../middleware/signature/signing-keys.ts";
import { readHeaderList } from "../../telemetry/collector.ts";
import { nodeHmac } from "./hmac.ts";

export interface ValueType<T> {
  /** Completes "must be", such as "true or false". */
  readonly expected: string;
  readonly schema: z.ZodType<T, string>;
  /** Accepts a YAML list as well as comma-separated text. */
  readonly isList?: boolean;
  /** Error messages never quote the value. */
  readonly isSecret?: boolean;
  /** Masks what must not be printed. @default the text as it was written */
  readonly mask?: (text: string) => string;
}

const MASK = "***";
const MAX_QUOTED = 40;

/**
 * Keeps a URL's scheme, host and path. The query is masked as well, since PostgreSQL's may hold the password. A
 * second `@` means that a password with `/`, `?` or `#` was not percent-encoded, so that the parsed host and path
 * contain a part of it: then only the scheme is kept.
 */
export const maskUrl = (text: string): string => {
  if (!URL.canParse(text)) return MASK;
  const { protocol, username, password, host, pathname, search, hash } = new URL(text);
  if (`${host}${pathname}${search}${hash}`.includes("@")) return `${protocol}//${MASK}`;
  const user = username === "" && password === "" ? "" : `${MASK}@`;
  const path = pathname === "/" ? "" : pathname;
  return `${protocol}//${user}${host}${path}${search === "" ? "" : `?${MASK}`}`;
};

/** Quotes a rejected value, shortened. Even a key that is not secret may hold a misplaced URL with a password. */
export const quote = (text: string): string => {
  const masked = text.replace(/\/\/.*@/s, `//${MASK}@`);
  return JSON.stringify(masked.length > MAX_QUOTED ? `${masked.slice(0, MAX_QUOTED)}…` : masked);
};

const DURATION =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;
const DURATION_UNITS_MS = [86_400_000, 3_600_000, 60_000, 1_000, 1];
const MAX_DURATION_LENGTH = 64;

/**
 * Parses `500ms`, `10s`, `1m30s`, `2h` or `1d`: units from long to short, each at most once.
 *
 * @returns whole milliseconds, or undefined for anything else; only 0 needs no unit
 */
export const parseDuration = (text: string): number | undefined => {
  if (text === "0") return 0;
  if (text === "" || text.length > MAX_DURATION_LENGTH) return undefined;
  const amounts = DURATION.exec(text)?.slice(1);
  if (amounts === undefined) return undefined;
  return Math.round(DURATION_UNITS_MS.reduce((sum, ms, index) => sum + Number(amounts[index] ?? 0) * ms, 0));
};

const SIZE_UNITS = ["b", "kb", "mb", "gb"];

/** @returns bytes of `512KiB`, `64MB` or `1GiB`; undefined for anything but a whole number with a unit */
export const parseSize = (text: string): number | undefined => {
  const [, amount, prefix = "", binary] = /^(\d{1,12}) ?(?:([kmg])(i)?)?b$/i.exec(text) ?? [];
  if (amount === undefined) return undefined;
  return (
    Number(amount) * (binary === undefined ? 1000 : 1024) ** SIZE_UNITS.indexOf(`${prefix.toLowerCase()}b`)
  );
};

/** A type whose values are read by `parse`, which returns undefined for a wrong one. */
const parsed = <T>(
  expected: string,
  parse: (text: string) => T | undefined,
  options: Pick<ValueType<T>, "isList" | "isSecret" | "mask"> = {},
): ValueType<T> => ({
  expected,
  schema: z.string().transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue(`must be ${expected}`);
    return z.NEVER;
  }),
  ...options,
});

/** @param pattern of the text */
const number = (expected: string, pattern: RegExp, isValid: (value: number) => boolean): ValueType<number> =>
  parsed(expected, (text) => (pattern.test(text) && isValid(Number(text)) ? Number(text) : undefined));

export const wholeNumber = (min: number, max: number): ValueType<number> =>
  number(`a whole number within ${min} and ${max}`, /^\d{1,15}$/, (value) => value >= min && value <= max);

const DECIMAL = /^(\d{1,15}(\.\d{0,15})?|\.\d{1,15})(e-?\d{1,3})?$/i;

export const fraction = number("a number within 0 and 1, such as 0.1", DECIMAL, (value) => value <= 1);

export const ratio = number(
  "a number above 0, at most 1, such as 0.5",
  DECIMAL,
  (value) => value > 0 && value <= 1,
);

/** In milliseconds. The bounds are durations, too. */
export const duration = (min: string, max: string): ValueType<number> => {
  const [minMs = 0, maxMs = 0] = [parseDuration(min), parseDuration(max)];
  return parsed(`a duration such as 500ms, 10s or 1m30s, within ${min} and ${max}`, (text) => {
    const ms = parseDuration(text);
    return ms === undefined || ms < minMs || ms > maxMs ? undefined : ms;
  });
};

export type CacheSize = { readonly entries: number } | { readonly bytes: number };

const MAX_CACHE_ENTRIES = 1_000_000;
const MAX_CACHE_BYTES = 64 * 1024 ** 3;

/** A bare number counts entries; one with a unit is memory. The bounds catch mistakes, they are not for tuning. */
export const cacheSize: ValueType<CacheSize> = parsed(
  `a number of entries within 1 and ${MAX_CACHE_ENTRIES}, or a size such as 64MiB, at most 64GiB`,
  (text) => {
    const isCount = /^\d{1,15}$/.test(text);
    const amount = isCount ? Number(text) : (parseSize(text) ?? 0);
    if (amount < 1 || amount > (isCount ? MAX_CACHE_ENTRIES : MAX_CACHE_BYTES)) return undefined;
    return isCount ? { entries: amount } : { bytes: amount };
  },
);

export const oneOf = <const Word extends string>(...words: readonly Word[]): ValueType<Word> => ({
  expected: `one of ${words.join(", ")}`,
  schema: z.string().toLowerCase().pipe(z.enum(words)),
});

// Not z.stringbool: its issues keep zod from running the rules between keys.
export const flag: ValueType<boolean> = {
  expected: "true or false",
  schema: oneOf("true", "false").schema.transform((word) => word === "true"),
};

export const line: ValueType<string> = {
  expected: "text on one line that is not empty",
  schema: z.string().regex(/^\P{Cc}+$/u),
};

export const secretLine: ValueType<string> = { ...line, isSecret: true, mask: () => MASK };

export const fieldName: ValueType<string> = {
  expected: "the name of a header field, such as x-real-ip",
  schema: z
    .string()
    .toLowerCase()
    .regex(/^[a-z0-9-]{1,64}$/),
};

export const listenAddress: ValueType<string> = {
  expected: "an address to listen on, such as 0.0.0.0 or ::",
  schema: z.string().regex(/^[a-z0-9.:%_-]{1,255}$/i),
};

/** An absolute URL with a host, which a PostgreSQL URL may also name in its query. */
export const url = (...schemes: readonly string[]): ValueType<string> =>
  parsed(
    `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}, with a host`,
    (text) => {
      if (/\s/.test(text) || !text.includes("://") || !URL.canParse(text)) return undefined;
      const { protocol, hostname, searchParams } = new URL(text);
      const hasHost = hostname !== "" || searchParams.has("host");
      return hasHost && schemes.includes(protocol.slice(0, -1)) ? text : undefined;
    },
    { mask: maskUrl },
  );

export const secretUrl = (...schemes: readonly string[]): ValueType<string> => ({
  ...url(...schemes),
  isSecret: true,
});

/** @param parse reads one part of the list; undefined for a wrong one */
const list = <T>(expected: string, parse: (part: string) => T | undefined): ValueType<readonly T[]> =>
  parsed(
    `${expected}, with commas between them`,
    (text) => {
      const parts = text.split(",").map((part) => parse(part.trim()));
      return parts.every((part) => part !== undefined) ? parts : undefined;
    },
    { isList: true },
  );

/** Hosts with or without a port, as in a URL. */
export const authorities = list("hosts such as origin.example.com or 10.0.0.1:8080, in lower case", (host) =>
  /^([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?$/.test(host) ? host : undefined,
);

export const networks = list("addresses or ranges such as 192.0.2.7 or 2001:db8::/32", parseNetwork);

export const headerList: ValueType<Readonly<Record<string, string>>> = parsed(
  "header fields such as authorization=Bearer%20TOKEN, with commas between them",
  readHeaderList,
  { isList: true, isSecret: true, mask: (text) => text.replace(/=[^,]*/g, `=${MASK}`) },
);

export const signingKeys = {
  expected: "id:base64 of at least 32 bytes, or two of them with a comma between, the signing one first",
  isList: true,
  isSecret: true,
  mask: (text: string) => text.replace(/:[^,]*/g, `:${MASK}`),
  schema: z.string().transform((text, context) => {
    const keys = parseSigningKeys(text, nodeHmac);
    if (typeof keys !== "string") return keys;
    context.addIssue(keys);
    return z.NEVER;
  }),
};
