import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { redact } from "../../../src/telemetry/logging/redact.ts";
import { isWorkerd } from "../../support/runtime.ts";

const ID = "aB3_-xyz0123";
const SECRET = "S3cr3t-S3cr3t_S3cr3t-S3cr3t_S3cr3t-S3cr3tXY";
const KEY = `bwk_${ID}_${SECRET}`;
const MASKED_KEY = `bwk_${ID}_***`;
const JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
const SIGNING = "k7+/k7+/k7+/k7+/k7+/k7+/k7+/k7+/k7+/k7+/k7+=";

test.each([
  ["an API key, except its id", `used ${KEY}.`, `used ${MASKED_KEY}.`],
  ["a truncated API key", `used bwk_${ID}_S3c`, `used ${MASKED_KEY}`],
  ["an API key's prefix", "bwk_nothing", "bwk_***"],
  ["a JWT", `the token ${JWT} has expired`, "the token eyJ*** has expired"],
  ["a JWT without its signature", `got ${JWT.slice(0, 40)}`, "got eyJ***"],
  ["bearer credentials", "sent bearer abc.def~ghi and left", "sent bearer *** and left"],
  ["basic credentials", "Basic dXNlcjpwYXNz", "Basic ***"],
  ["an API key as bearer credentials, except its id", `Bearer ${KEY}`, `Bearer ${MASKED_KEY}`],
  ["user information in a URL", "at https://me:pass@a.example/x", "at https://***@a.example/x"],
  ["a token in a URL", "at https://ghp_1@a.example/x", "at https://***@a.example/x"],
  ["a password with a slash in a database's URL", "redis://:pa/ss@a:6379/0", "redis://***@a:6379/0"],
  ["each of several URLs", "http://a:b@c,http://d:e@f", "http://***@c,http://***@f"],
  ["a URL's query", "GET https://a.example/x?cursor=abc&y=1 failed", "GET https://a.example/x?*** failed"],
  ["a path's query", "GET /products?cursor=abc failed", "GET /products?*** failed"],
  ["a password", "password=hunter2 user=me", "password=*** user=me"],
  ["a variable's value", "DB_PASSWORD=hunter2 HOME=/", "DB_PASSWORD=*** HOME=/"],
  ["a secret in a form", "token=a&secret=b&api_key=c&x=d", "token=***&secret=***&api_key=***&x=d"],
  ["a quoted value", 'password: "a b", x: 1', 'password: "***", x: 1'],
  ["a value in JSON", '{"client_secret":"a\\"b","x":1}', '{"client_secret":"***","x":1}'],
  ["a value in Node's output", "{ password: 'a b', x: 1 }", "{ password: '***', x: 1 }"],
  ["a header", "authorization: Digest a, b\r\nhost: c", "authorization: ***\r\nhost: c"],
  ["cookies", "Cookie: a=b; c=d\nHost: c", "Cookie: ***\nHost: c"],
  ["new cookies", "set-cookie: a=b; Path=/\nHost: c", "set-cookie: ***\nHost: c"],
  ["cookies in a list", "'set-cookie': [\n  'a=b',\n  'c=d'\n], x: 1", "'set-cookie': [***], x: 1"],
  ["cookies in a raw list", "[ 'Cookie', 'a=b', 'Host' ]", "[ 'Cookie', '***', 'Host' ]"],
  ["a signing key, except its id", `k1:${SIGNING},k2:${SIGNING}`, "k1:***,k2:***"],
  ["a private key", "x -----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY----- y", "x *** y"],
  ["a private key under its name", "private_key: -----BEGIN PRIVATE KEY-----\nMHc=", "private_key: ***"],
])("%s is masked", (_, text, expected) => {
  expect(redact(text)).toBe(expected);
});

test.each([
  "the origin did not answer in time: 1500 ms",
  "at run (file:///srv/app/src/core/telemetry/metrics/some_long_folder_name/meter:10:5)",
  "at process.processTicksAndRejections (node:internal/process/task_queues_and_more_of_them:105:5)",
  "listening on http://127.0.0.1:8080/",
  "image sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "is it ready? yes",
  "Unexpected token '<'",
])("%s is unchanged", (text) => {
  expect(redact(text)).toBe(text);
});

const piece = fc.constantFrom(
  ...[
    "bwk_",
    ID,
    "_",
    SECRET,
    "eyJ",
    ".",
    "Bearer ",
    "basic:",
    "://",
    "redis",
    "http",
    "user",
    ":",
    "@",
    "?",
  ],
  ...["=", "&", "/", "#", "password", "token", "secret", "api_key", "authorization", "cookie", "set-cookie"],
  ...['"', "'", "\\", '\\"', "[", "]", ",", ";", " ", "\t", "\n", "\r\n", "***", "*", SIGNING, "k1:", "x"],
  ...["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "-", "é", "\u2028", "\ud800", "\0"],
);
const anyText = fc.oneof(
  fc.array(piece, { maxLength: 25 }).map((pieces) => pieces.join("")),
  fc.string({ unit: "binary", maxLength: 100 }),
);

test("masking twice changes nothing", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const once = redact(text);
      expect(redact(once)).toBe(once);
    }),
    { numRuns: 2_000, examples: [["bwk_eyJcookiebwk_"], ["bwk_xxeyJcookieb_"], [`://k1:${SIGNING}@`]] },
  );
});

test("a secret is masked in any surrounding text", () => {
  const surrounding = anyText.map((text) => text.replaceAll("S3cr3t", ""));
  const secrets: readonly (readonly [string, string])[] = [
    [KEY, "S3cr3t"],
    [JWT, JWT],
    [` k1:${SIGNING}`, SIGNING],
    [" Bearer S3cr3t", "S3cr3t"],
    [" https://a:S3cr3t@b/", "S3cr3t"],
    [" https://b/c?d=S3cr3t", "S3cr3t"],
    [" token=S3cr3t", "S3cr3t"],
    ["\ncookie: a=S3cr3t\n", "S3cr3t"],
  ];
  fc.assert(
    fc.property(surrounding, fc.constantFrom(...secrets), surrounding, (before, [written, secret], after) => {
      // Surrounding text may keep the same value where it is no secret.
      fc.pre(!before.includes(SIGNING) && !after.includes(SIGNING));
      expect(redact(`${before}${written}${after}`)).not.toContain(secret);
    }),
    { numRuns: 2_000 },
  );
});

describe.skipIf(isWorkerd)("a text of a mebibyte", () => {
  const UNITS = 1024 * 1024;
  const PARTS = 16;
  /** Linear time gives a ratio of 1, quadratic time one of 16. */
  const MAX_RATIO = 4;
  /** CPU time, because the machine may be busy. */
  const microsecondsFor = (text: string, times: number): number => {
    const began = process.cpuUsage();
    for (let turn = 0; turn < times; turn += 1) redact(text);
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };

  test.each([
    ...["a", "eyJ", "eyJa.", "bwk_", "://", "redis://", "redis://a:", "?", "?a", "a:", ":a", "k:a/", "@://"],
    ...["bearer ", "bearer", "basic\t", "token", "token=", 'token="', 'token="\\', "token \t", "cookie:"],
    ...[
      "cookie ",
      "cookie['",
      "'\\",
      '\\"',
      "\\",
      '"',
      "secret\\",
      "-----BEGIN PRIVATE KEY-----",
      "-----",
      "***",
    ],
    ...["password password=", "authorization", "cookie:[", "[", "sha256:a"],
  ])("of repeated %j takes about as long as its sixteen parts", (unit) => {
    const text = unit.repeat(Math.ceil(UNITS / unit.length));
    const part = text.slice(0, UNITS / PARTS);
    const measure = (): [number, number] => [microsecondsFor(text, 1), microsecondsFor(part, PARTS)];
    let [whole, parts] = measure();
    // The minimum of each: other work of the process makes both slower, never faster.
    for (let turn = 0; turn < 20 && whole > MAX_RATIO * parts; turn += 1) {
      const [laterWhole, laterParts] = measure();
      whole = Math.min(whole, laterWhole);
      parts = Math.min(parts, laterParts);
    }
    expect(whole / parts).toBeLessThanOrEqual(MAX_RATIO);
  });
});
