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
  ["an API key, but for its id", `used ${KEY}.`, `used ${MASKED_KEY}.`],
  ["an API key that is cut short", `used bwk_${ID}_S3c`, `used ${MASKED_KEY}`],
  ["what an API key would begin with", "bwk_nothing", "bwk_***"],
  ["a JWT", `the token ${JWT} has expired`, "the token eyJ*** has expired"],
  ["a JWT without its signature", `got ${JWT.slice(0, 40)}`, "got eyJ***"],
  ["bearer credentials", "sent bearer abc.def~ghi and left", "sent bearer *** and left"],
  ["basic credentials", "Basic dXNlcjpwYXNz", "Basic ***"],
  ["bearer credentials that are an API key, but for its id", `Bearer ${KEY}`, `Bearer ${MASKED_KEY}`],
  ["who asks, in an address", "at https://me:pass@a.example/x", "at https://***@a.example/x"],
  ["a token in an address", "at https://ghp_1@a.example/x", "at https://***@a.example/x"],
  ["a password with a slash in a database's address", "redis://:pa/ss@a:6379/0", "redis://***@a:6379/0"],
  ["each of several addresses", "http://a:b@c,http://d:e@f", "http://***@c,http://***@f"],
  [
    "an address' query",
    "GET https://a.example/x?cursor=abc&y=1 failed",
    "GET https://a.example/x?*** failed",
  ],
  ["a path's query", "GET /products?cursor=abc failed", "GET /products?*** failed"],
  ["a password", "password=hunter2 user=me", "password=*** user=me"],
  ["a variable's value", "DB_PASSWORD=hunter2 HOME=/", "DB_PASSWORD=*** HOME=/"],
  [
    "a token, a secret, a key in a form",
    "token=a&secret=b&api_key=c&x=d",
    "token=***&secret=***&api_key=***&x=d",
  ],
  ["what is in quotes whole", 'password: "a b", x: 1', 'password: "***", x: 1'],
  ["what is in JSON", '{"client_secret":"a\\"b","x":1}', '{"client_secret":"***","x":1}'],
  ["what is in what Node prints", "{ password: 'a b', x: 1 }", "{ password: '***', x: 1 }"],
  ["a header", "authorization: Digest a, b\r\nhost: c", "authorization: ***\r\nhost: c"],
  ["cookies", "Cookie: a=b; c=d\nHost: c", "Cookie: ***\nHost: c"],
  ["new cookies", "set-cookie: a=b; Path=/\nHost: c", "set-cookie: ***\nHost: c"],
  ["cookies in a list", "'set-cookie': [\n  'a=b',\n  'c=d'\n], x: 1", "'set-cookie': [***], x: 1"],
  ["cookies in a raw list", "[ 'Cookie', 'a=b', 'Host' ]", "[ 'Cookie', '***', 'Host' ]"],
  ["a signing key, but for its id", `k1:${SIGNING},k2:${SIGNING}`, "k1:***,k2:***"],
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
  "is it there? it is",
  "Unexpected token '<'",
])("%s stays", (text) => {
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

test("a second time changes nothing", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const once = redact(text);
      expect(redact(once)).toBe(once);
    }),
    { numRuns: 2_000, examples: [["bwk_eyJcookiebwk_"], ["bwk_xxeyJcookieb_"], [`://k1:${SIGNING}@`]] },
  );
});

test("whatever stands around an API key, a JWT or a signing key, its secret goes", () => {
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
      // Which of two equal ones is the planted one could not be told.
      fc.pre(!before.includes(SIGNING) && !after.includes(SIGNING));
      expect(redact(`${before}${written}${after}`)).not.toContain(secret);
    }),
    { numRuns: 2_000 },
  );
});

describe.skipIf(isWorkerd)("a text of a mebibyte", () => {
  const UNITS = 1024 * 1024;
  const PARTS = 16;
  /** Between once, as time grows with the text, and sixteen times, as it grows with its square. */
  const MOST = 4;
  /** Of the processor, as the machine has other things to do. */
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
  ])("of %j again and again takes as long as its sixteen parts, one after the other", (again) => {
    const text = again.repeat(Math.ceil(UNITS / again.length));
    const part = text.slice(0, UNITS / PARTS);
    const measure = (): [number, number] => [microsecondsFor(text, 1), microsecondsFor(part, PARTS)];
    let [whole, parts] = measure();
    // The least of each: what else the process does makes both slower, never faster.
    for (let turn = 0; turn < 20 && whole > MOST * parts; turn += 1) {
      const [laterWhole, laterParts] = measure();
      whole = Math.min(whole, laterWhole);
      parts = Math.min(parts, laterParts);
    }
    expect(whole / parts).toBeLessThanOrEqual(MOST);
  });
});
