/** The types of values in the origin's configuration: the shared ones, and those of the origin alone. */
import { parseDuration } from "../../contract/duration.ts";
import { list, MASK, maskUrl, matching, parseDecimal, parsed } from "../../lib/variables.ts";
import { parseNetwork } from "../../middleware/blocklist/network.ts";
import { readHeaderList } from "../../telemetry/collector.ts";

export * from "../../lib/variables.ts";
export { resourceAttributes } from "../../telemetry/resource.ts";
export * from "./urls.ts";

const MAX_QUOTED = 40;

/** Quotes a rejected value, shortened and masked: any key may hold a misplaced URL with a password. */
export const quote = (text: string): string => {
  const masked = maskUrl(text);
  return JSON.stringify(masked.length > MAX_QUOTED ? `${masked.slice(0, MAX_QUOTED)}…` : masked);
};

export const ratio = parsed("a number above 0, at most 1, such as 0.5", (text) => {
  const value = parseDecimal(text);
  return value > 0 && value <= 1 ? value : undefined;
});

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

/** A bare number counts entries; one with a unit is memory. The bounds only catch mistakes. */
export const cacheSize = parsed(
  `a number of entries within 1 and ${MAX_CACHE_ENTRIES}, or a size such as 64MiB, at most 64GiB`,
  (text): CacheSize | undefined => {
    const isCount = /^\d{1,15}$/.test(text);
    const amount = isCount ? Number(text) : (parseSize(text) ?? 0);
    if (amount < 1 || amount > (isCount ? MAX_CACHE_ENTRIES : MAX_CACHE_BYTES)) return undefined;
    return isCount ? { entries: amount } : { bytes: amount };
  },
);

export const flag = parsed("true or false", (text) => {
  const word = text.toLowerCase();
  return word === "true" || word === "false" ? word === "true" : undefined;
});

/** In lower case. */
export const fieldName = parsed("the name of a header field, such as x-real-ip", (text) =>
  /^[a-z0-9-]{1,64}$/i.test(text) ? text.toLowerCase() : undefined,
);

export const listenAddress = matching(
  "an address to listen on, such as 0.0.0.0 or ::",
  /^[a-z0-9.:%_-]{1,255}$/i,
);

/** Hosts with or without a port, as in a URL. */
export const authorities = list("hosts such as origin.example.com or 10.0.0.1:8080, in lower case", (host) =>
  /^([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?$/.test(host) ? host : undefined,
);

export const networks = list("addresses or ranges such as 192.0.2.7 or 2001:db8::/32", parseNetwork);

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
const LEVEL_ALIASES: Readonly<Record<string, string>> = {
  verbose: "debug",
  notice: "info",
  warning: "warn",
  err: "error",
  critical: "fatal",
  crit: "fatal",
};

/** In a filter with levels per module, as in RUST_LOG, the level without a module counts. */
export const logLevel = parsed(`one of ${LEVELS.join(", ")}`, (text) => {
  const written = text
    .toLowerCase()
    .split(",")
    .map((part) => part.trim())
    .find((part) => !part.includes("="));
  return LEVELS.find((level) => level === (LEVEL_ALIASES[written ?? ""] ?? written));
});

export const headerList = parsed(
  "header fields such as authorization=Bearer%20TOKEN, with commas between them",
  readHeaderList,
  { isSecret: true, mask: (text) => text.replace(/=[^,]*/g, `=${MASK}`) },
);
