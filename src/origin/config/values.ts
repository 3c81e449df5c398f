/** The types of values that a key can have: how each is parsed from text, described and masked. */
import * as z from "zod";
import { parseNetwork } from "../../middleware/blocklist/network.ts";
import { parseSigningKeys } from "../../middleware/signature/signing-keys.ts";
import { readHeaderList } from "../../telemetry/collector.ts";
import { nodeHmac } from "./hmac.ts";

export interface ValueDetails {
  /** Completes "must be", such as "true or false". */
  readonly expected: string;
  /** Accepts a YAML list as well as comma-separated text. */
  readonly isList?: boolean;
  /** Error messages never quote the value. */
  readonly isSecret?: boolean;
  /** Masks what must not be printed. @default the text as it was written */
  readonly mask?: (text: string) => string;
}

/** Of each type. */
export const details = z.registry<ValueDetails>();

export const MASK = "***";
const MAX_QUOTED = 40;

/**
 * Masks a URL's user and query: PostgreSQL's may hold the password. Everything up to the last `@` counts as the user,
 * since a password may not be percent-encoded.
 */
export const maskUrl = (text: string): string =>
  text.replace(/\/\/.*@/s, `//${MASK}@`).replace(/\?.*/s, `?${MASK}`);

/** Quotes a rejected value, shortened. Even a key that is not secret may hold a misplaced URL with a password. */
export const quote = (text: string): string => {
  const masked = maskUrl(text);
  return JSON.stringify(masked.length > MAX_QUOTED ? `${masked.slice(0, MAX_QUOTED)}…` : masked);
};

/** @param parse returns undefined for a wrong value */
const parsed = <T>(
  expected: string,
  parse: (text: string) => T | undefined,
  options: Omit<ValueDetails, "expected"> = {},
) =>
  z
    .string()
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue(`must be ${expected}`);
      return z.NEVER;
    })
    .register(details, { expected, ...options });

const matching = (expected: string, pattern: RegExp, options?: Omit<ValueDetails, "expected">) =>
  parsed(expected, (text) => (pattern.test(text) ? text : undefined), options);

export const wholeNumber = (min: number, max: number) =>
  parsed(`a whole number within ${min} and ${max}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });

const parseDecimal = (text: string): number =>
  /^(\d{1,15}(\.\d{0,15})?|\.\d{1,15})(e-?\d{1,3})?$/i.test(text) ? Number(text) : Number.NaN;

export const fraction = parsed("a number within 0 and 1, such as 0.1", (text) => {
  const value = parseDecimal(text);
  return value <= 1 ? value : undefined;
});

export const ratio = parsed("a number above 0, at most 1, such as 0.5", (text) => {
  const value = parseDecimal(text);
  return value > 0 && value <= 1 ? value : undefined;
});

const UNITS_MS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
};

/** @returns whole milliseconds of `500ms`, `1.5s`, `1m30s` or `1d`, or undefined; only 0 needs no unit */
export const parseDuration = (text: string): number | undefined => {
  if (text === "0") return 0;
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/([\d.]+)([a-z]+)/g)];
  return Math.round(
    parts.reduce((sum, [, amount, unit = ""]) => sum + Number(amount) * (UNITS_MS[unit] ?? 0), 0),
  );
};

/** In milliseconds. The bounds are durations, too. */
export const duration = (min: string, max: string) => {
  const [minMs = 0, maxMs = 0] = [parseDuration(min), parseDuration(max)];
  return parsed(`a duration such as 500ms, 10s or 1m30s, within ${min} and ${max}`, (text) => {
    const ms = parseDuration(text);
    return ms === undefined || ms < minMs || ms > maxMs ? undefined : ms;
  });
};

const PREFIXES = ["", "k", "m", "g"];

/** @returns bytes of `512KiB`, `64MB` or `1GiB`; undefined for anything but a whole number with a unit */
export const parseSize = (text: string): number | undefined => {
  const [, amount, prefix = "", binary] = /^(\d{1,12}) ?(?:([kmg])(i)?)?b$/i.exec(text) ?? [];
  if (amount === undefined) return undefined;
  return Number(amount) * (binary === undefined ? 1000 : 1024) ** PREFIXES.indexOf(prefix.toLowerCase());
};

export type CacheSize = { readonly entries: number } | { readonly bytes: number };

const MAX_CACHE_ENTRIES = 1_000_000;
const MAX_CACHE_BYTES = 64 * 1024 ** 3;

/** A bare number counts entries; one with a unit is memory. The bounds catch mistakes, they are not for tuning. */
export const cacheSize = parsed(
  `a number of entries within 1 and ${MAX_CACHE_ENTRIES}, or a size such as 64MiB, at most 64GiB`,
  (text): CacheSize | undefined => {
    const isCount = /^\d{1,15}$/.test(text);
    const amount = isCount ? Number(text) : (parseSize(text) ?? 0);
    if (amount < 1 || amount > (isCount ? MAX_CACHE_ENTRIES : MAX_CACHE_BYTES)) return undefined;
    return isCount ? { entries: amount } : { bytes: amount };
  },
);

export const oneOf = <const Word extends string>(...words: readonly Word[]) =>
  parsed(`one of ${words.join(", ")}`, (text) => words.find((word) => word === text.toLowerCase()));

export const flag = parsed("true or false", (text) => {
  const word = text.toLowerCase();
  return word === "true" || word === "false" ? word === "true" : undefined;
});

const LINE = "text on one line that is not empty";
export const line = matching(LINE, /^\P{Cc}+$/u);
export const secretLine = matching(LINE, /^\P{Cc}+$/u, { isSecret: true, mask: () => MASK });

/** In lower case. */
export const fieldName = parsed("the name of a header field, such as x-real-ip", (text) =>
  /^[a-z0-9-]{1,64}$/i.test(text) ? text.toLowerCase() : undefined,
);

export const listenAddress = matching(
  "an address to listen on, such as 0.0.0.0 or ::",
  /^[a-z0-9.:%_-]{1,255}$/i,
);

/** An absolute URL with a host, which a PostgreSQL URL may also name in its query. */
export const url = (schemes: readonly string[], isSecret = false) =>
  parsed(
    `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}, with a host`,
    (text) => {
      if (/\s/.test(text) || !text.includes("://") || !URL.canParse(text)) return undefined;
      const { protocol, hostname, searchParams } = new URL(text);
      const hasHost = hostname !== "" || searchParams.has("host");
      return hasHost && schemes.includes(protocol.slice(0, -1)) ? text : undefined;
    },
    { isSecret, mask: maskUrl },
  );

/** @param parse reads one part of the list; undefined for a wrong one */
const list = <T>(expected: string, parse: (part: string) => T | undefined) =>
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

export const headerList = parsed(
  "header fields such as authorization=Bearer%20TOKEN, with commas between them",
  readHeaderList,
  { isList: true, isSecret: true, mask: (text) => text.replace(/=[^,]*/g, `=${MASK}`) },
);

export const signingKeys = parsed(
  "id:base64 of at least 32 bytes, or two of them with a comma between, the signing one first",
  (text) => {
    const keys = parseSigningKeys(text, nodeHmac);
    return typeof keys === "string" ? undefined : keys;
  },
  { isList: true, isSecret: true, mask: (text) => text.replace(/:[^,]*/g, `:${MASK}`) },
);
