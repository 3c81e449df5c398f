/** The kinds of values: each says what it expects, reads text and writes what it read. */
import { type Network, parseNetwork, writeCidr } from "../../middleware/blocklist/network.ts";
import { parseSigningKeys, type SigningKey } from "../../middleware/signature/signing-keys.ts";
import { readHeaderList } from "../../telemetry/header-list.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { MASK, maskUrl } from "./mask.ts";
import { formatSize, parseSize } from "./size.ts";

export type Parsed<T> =
  /** `shown` reads back as the same value, but for what is masked in it. */
  | { readonly ok: true; readonly value: T; readonly shown: string }
  /** Such as "must be true or false"; never a value. */
  | { readonly ok: false; readonly wrong: string };

export interface Kind<T> {
  /** Such as "true or false". */
  readonly expected: string;
  /** Its values are never quoted, and shown masked. */
  readonly isSecret: boolean;
  /** Takes a YAML list as well as text with commas. */
  readonly isList: boolean;
  parse(text: string): Parsed<T>;
}

const kind = <T>(
  expected: string,
  parse: (text: string) => T | undefined,
  show: (value: T) => string = String,
): Kind<T> => ({
  expected,
  isSecret: false,
  isList: false,
  parse(text) {
    const value = parse(text);
    return value === undefined
      ? { ok: false, wrong: `must be ${expected}` }
      : { ok: true, value, shown: show(value) };
  },
});

const within = (min: number, max: number, value: number): number | undefined =>
  value >= min && value <= max ? value : undefined;

export const wholeNumber = (min: number, max: number): Kind<number> =>
  kind(`a whole number within ${min} and ${max}`, (text) =>
    /^\d{1,15}$/.test(text) ? within(min, max, Number(text)) : undefined,
  );

export const fraction: Kind<number> = kind("a number within 0 and 1, such as 0.1", (text) =>
  /^(\d{1,15}(\.\d{0,15})?|\.\d{1,15})(e-?\d{1,3})?$/i.test(text) ? within(0, 1, Number(text)) : undefined,
);

export const share: Kind<number> = kind("a number above 0, at most 1, such as 0.5", (text) => {
  const parsed = fraction.parse(text);
  return parsed.ok && parsed.value > 0 ? parsed.value : undefined;
});

/** Bounds and value in milliseconds. */
export const duration = (min: number, max: number): Kind<number> =>
  kind(
    `a duration such as 500ms, 10s or 1m30s, within ${formatDuration(min)} and ${formatDuration(max)}`,
    (text) => {
      const milliseconds = parseDuration(text);
      return milliseconds === undefined ? undefined : within(min, max, milliseconds);
    },
    formatDuration,
  );

export type CacheSize = { readonly entries: number } | { readonly bytes: number };

/** A bare number counts entries; one with a unit is memory. Both bounds are for mistakes, not for tuning. */
export const cacheSize = (maxEntries: number, maxBytes: number): Kind<CacheSize> =>
  kind<CacheSize>(
    `a number of entries within 1 and ${maxEntries}, or a size such as 64MiB, at most ${formatSize(maxBytes)}`,
    (text) => {
      const isCount = /^\d{1,15}$/.test(text);
      const amount = isCount ? Number(text) : parseSize(text);
      if (amount === undefined || amount < 1 || amount > (isCount ? maxEntries : maxBytes)) return undefined;
      return isCount ? { entries: amount } : { bytes: amount };
    },
    (size) => ("entries" in size ? String(size.entries) : formatSize(size.bytes)),
  );

export const flag: Kind<boolean> = kind("true or false", (text) =>
  /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined,
);

export const oneOf = <const Word extends string>(...words: readonly Word[]): Kind<Word> =>
  kind(`one of ${words.join(", ")}`, (text) => words.find((word) => word === text.toLowerCase()));

/** One line, without control characters. */
export const line: Kind<string> = kind("text on one line that is not empty", (text) =>
  /^\P{Cc}+$/u.test(text) ? text : undefined,
);

export const fieldName: Kind<string> = kind("the name of a header field, such as x-real-ip", (text) =>
  /^[a-z0-9-]{1,64}$/i.test(text) ? text.toLowerCase() : undefined,
);

export const listenAddress: Kind<string> = kind("an address to listen on, such as 0.0.0.0 or ::", (text) =>
  /^[a-z0-9.:%_-]{1,255}$/i.test(text) ? text : undefined,
);

/** An absolute URL with a host, which a PostgreSQL URL may also name in its query. */
export const url = (...schemes: readonly string[]): Kind<string> =>
  kind(
    `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}, with a host`,
    (text) => {
      if (/\s/.test(text) || !URL.canParse(text)) return undefined;
      const { protocol, hostname, searchParams } = new URL(text);
      const isOfScheme = schemes.some((scheme) => protocol === `${scheme}:`);
      const hasHost = hostname !== "" || searchParams.has("host");
      return isOfScheme && hasHost && text.includes("://") ? text : undefined;
    },
    maskUrl,
  );

/** Hosts with or without a port, as they stand in a URL. */
export const authorities: Kind<readonly string[]> = {
  ...kind(
    "hosts such as origin.example.com or 10.0.0.1:8080, in lower case, with commas between them",
    (text): readonly string[] | undefined => {
      const parts = text.split(",").map((part) => part.trim());
      const areHosts = parts.every((part) => /^([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?$/.test(part));
      return areHosts ? parts : undefined;
    },
    (hosts) => hosts.join(","),
  ),
  isList: true,
};

/** Addresses and ranges, each in its one form. */
export const networks: Kind<readonly Network[]> = {
  ...kind(
    "addresses or ranges such as 192.0.2.7 or 2001:db8::/32, with commas between them",
    (text): readonly Network[] | undefined => {
      const read = text.split(",").map((part) => parseNetwork(part.trim()));
      return read.every((network) => network !== undefined) ? read : undefined;
    },
    (read) => read.map(writeCidr).join(","),
  ),
  isList: true,
};

/** The keys between the tiers; their ids are shown, and what is wrong with them is said without them. */
export const signingKeys: Kind<readonly [SigningKey, ...SigningKey[]]> = {
  expected: "id:base64 of at least 32 bytes, or two of them with a comma between, the signing one first",
  isSecret: true,
  isList: true,
  parse(text) {
    const keys = parseSigningKeys(text);
    return typeof keys === "string"
      ? { ok: false, wrong: keys }
      : { ok: true, value: keys, shown: keys.map(({ id }) => `${id}:${MASK}`).join(",") };
  },
};

/** A URL whose user and password are no one's business: the rest of it is shown. */
export const secretUrl = (...schemes: readonly string[]): Kind<string> => ({
  ...url(...schemes),
  isSecret: true,
});

/** Nothing of it is shown. */
export const secretLine: Kind<string> = {
  ...line,
  isSecret: true,
  parse(text) {
    const parsed = line.parse(text);
    return parsed.ok ? { ...parsed, shown: MASK } : parsed;
  },
};

/** Header fields, each by its name; none of their values is shown. */
export const headerList: Kind<Readonly<Record<string, string>>> = {
  expected: "header fields such as authorization=Bearer%20TOKEN, with commas between them",
  isSecret: true,
  isList: true,
  parse(text) {
    const headers = readHeaderList(text);
    return headers === undefined
      ? { ok: false, wrong: "must be header fields such as name=value, with commas between them" }
      : {
          ok: true,
          value: headers,
          shown: Object.keys(headers)
            .map((name) => `${name}=${MASK}`)
            .join(","),
        };
  },
};
