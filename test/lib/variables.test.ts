import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fraction,
  httpUrl,
  line,
  list,
  maskUrl,
  oneOf,
  optional,
  readConfiguration,
  wholeNumber,
  withDefault,
} from "../../src/lib/variables.ts";
import { keySetUrl } from "../../src/middleware/config.ts";
import { signingKeys, webCryptoHmac } from "../../src/middleware/signature/signing-keys.ts";

const SECRET = btoa("x".repeat(32));
const numbers = list("numbers", (part) => (/^\d+$/.test(part) ? Number(part) : undefined));

const variables = {
  ADDRESS: httpUrl(),
  PORT: wholeNumber(1, 65_535),
  TOKEN: line,
  LEVEL: oneOf("info", "debug"),
  NUMBERS: numbers,
  KEYS: signingKeys(webCryptoHmac),
  PREFIX: withDefault(line, "breakwater:"),
  LABEL: optional(line),
};

const right = {
  ADDRESS: "https://api.example.com/base",
  PORT: "8080",
  TOKEN: "secret\n",
  LEVEL: "info",
  NUMBERS: "1, 2,3",
  KEYS: `k1:${SECRET}`,
};

const messageOf = (environment: Readonly<Record<string, unknown>>): string => {
  const reading = readConfiguration(variables, environment);
  return reading.ok ? "" : reading.message;
};

describe("readConfiguration", () => {
  test("reads each variable by its type, and ignores others", () => {
    const environment = { ...right, PATH: "/bin", OTHER: { fetch: () => 1 } };
    expect(readConfiguration(variables, environment)).toEqual({
      ok: true,
      value: {
        ADDRESS: "https://api.example.com/base",
        PORT: 8080,
        TOKEN: "secret",
        LEVEL: "info",
        NUMBERS: [1, 2, 3],
        KEYS: [{ id: "k1", mac: expect.any(Function) }],
        PREFIX: "breakwater:",
      },
      warnings: [],
    });
  });

  test("takes numbers, booleans and lists that are not quoted, as wrangler.toml may have them", () => {
    const types = {
      LEASE_MS: wholeNumber(1, 9_000),
      RATIO: fraction,
      ACCESS_LOG: oneOf("true", "false"),
      NUMBERS: numbers,
    };
    const unquoted = { LEASE_MS: 2000, RATIO: 0.1, ACCESS_LOG: false, NUMBERS: ["1", 2] };
    expect(readConfiguration(types, unquoted)).toMatchObject({
      value: { LEASE_MS: 2000, RATIO: 0.1, ACCESS_LOG: "false", NUMBERS: [1, 2] },
    });
  });

  test("names all missing variables", () => {
    expect(messageOf({})).toBe(
      "configuration: ADDRESS is missing; PORT is missing; TOKEN is missing; LEVEL is missing; " +
        "NUMBERS is missing; KEYS is missing",
    );
  });

  test.each(["", " \n"])("counts a variable of %j as not set", (text) => {
    expect(messageOf({ ...right, TOKEN: text })).toBe("configuration: TOKEN is missing");
    expect(readConfiguration(variables, { ...right, PREFIX: text })).toMatchObject({
      value: { PREFIX: "breakwater:" },
    });
  });

  test("names all wrong variables, once each", () => {
    const wrong = { ADDRESS: "?", PORT: "?", TOKEN: {}, LEVEL: "?", NUMBERS: "?,?", KEYS: "?", PREFIX: [{}] };
    expect(messageOf(wrong)).toBe(
      "configuration: ADDRESS must be a URL that begins with http:// or https://, without a user or password; " +
        "PORT must be a whole number within 1 and 65535; " +
        "TOKEN must be text on one line that is not empty; " +
        "LEVEL must be one of info, debug; NUMBERS must be numbers, with commas between them; " +
        "KEYS must be id:base64 of at least 32 bytes, or two of them with a comma between, the signing one first; " +
        "PREFIX must be text on one line that is not empty",
    );
  });

  test("never shows a value", () => {
    // With a mark that no message contains.
    const marked = fc.string({ maxLength: 30 }).map((text) => `@@${text}@@`);
    const wrong = fc.record({
      ADDRESS: marked,
      PORT: marked,
      LEVEL: marked,
      NUMBERS: fc.oneof(
        marked,
        marked.map((text) => `1,${text},2`),
      ),
      KEYS: fc.oneof(
        marked,
        marked.map((text) => `k1:${text}`),
        marked.map((text) => `k1:${SECRET},${text}`),
      ),
      TOKEN: fc.array(marked).map((texts) => ({ texts })),
    });
    fc.assert(
      fc.property(wrong, (environment) => {
        const message = messageOf(environment);
        expect(message).not.toContain("@@");
        expect(message).not.toContain(SECRET);
        for (const name of Object.keys(environment)) expect(message).toContain(name);
      }),
    );
  });

  test("ignores a wrong value of OpenTelemetry's numbers, with a warning", () => {
    const OTEL_METRIC_EXPORT_INTERVAL = withDefault(wholeNumber(1_000, 9_000), 5_000);
    expect(readConfiguration({ OTEL_METRIC_EXPORT_INTERVAL }, { OTEL_METRIC_EXPORT_INTERVAL: "1s" })).toEqual(
      {
        ok: true,
        value: { OTEL_METRIC_EXPORT_INTERVAL: 5_000 },
        warnings: ["OTEL_METRIC_EXPORT_INTERVAL must be a whole number within 1000 and 9000: ignored"],
      },
    );
  });

  test("reports what its check finds in valid values", () => {
    const check = () => ["PORT is in use"];
    expect(readConfiguration(variables, right, check)).toEqual({
      ok: false,
      faults: ["PORT is in use"],
      message: "configuration: PORT is in use",
    });
  });
});

const address = httpUrl();
const TEN = wholeNumber(1, 10);

test.each([
  ["a URL", address, ["https://db.test/app?key=1", "http://db.test"]],
  ["a number", TEN, ["1", "10", "010", " 1"]],
  ["a word", oneOf("info", "debug"), ["debug", "DEBUG"]],
  ["a list", numbers, ["1", "1,2", " 1 , 2 "]],
  ["an address of keys", keySetUrl, ["https://issuer.test/keys", "http://localhost:1/keys", "http://[::1]/"]],
])("%s accepts %$2", (_, type, texts) => {
  for (const X of texts) expect(readConfiguration({ X: type }, { X })).toMatchObject({ ok: true });
});

test.each([
  [
    "a URL",
    address,
    ["ftp://db.test", "https:db.test", "db.test:5432", "/run", "https://", "?", "https://u:p@db.test"],
  ],
  ["a number", TEN, ["0", "11", "1.5", "-1", "+1", "1e0", "0x1", "9".repeat(16)]],
  ["a word", oneOf("info", "debug"), ["trace", "inf"]],
  ["a list", numbers, ["1,", "1,,2", "1;2", ","]],
  [
    "an address of keys",
    keySetUrl,
    ["http://issuer.test/", "http://localhost.evil.test/", "localhost", "ftp:", "https://u@issuer.test/"],
  ],
  ["one line", line, ["a\nb", "\u0000"]],
])("%s rejects %$2", (_, type, texts) => {
  for (const X of texts) expect(readConfiguration({ X: type }, { X })).toMatchObject({ ok: false });
});

test.each([
  ["postgres://app:hunter2@db.example:5432/app", "postgres://***@db.example:5432/app"],
  ["postgres://hunter2@db.example/app", "postgres://***@db.example/app"],
  ["postgres://db.example/app?user=app&password=hunter2", "postgres://db.example/app?***"],
  ["rediss://:hunter2@redis.example:6379/0", "rediss://***@redis.example:6379/0"],
  ["https://redis.example", "https://redis.example"],
  // Passwords that are not percent-encoded.
  ["postgres://app:12/hunter2@db.example/app", "postgres://***@db.example/app"],
  ["postgres://app:12#hunter2@db.example/app", "postgres://***@db.example/app"],
  ["postgres://app:12?hunter2@db.example/app", "postgres://***@db.example/app"],
  ["postgres://app:hunter2@hunter2@db.example/app?sslmode=require", "postgres://***@db.example/app?***"],
])("%s is masked as %s", (address, masked) => {
  expect(maskUrl(address)).toBe(masked);
});
