import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitLine, logLine, MAX_LINE_BYTES } from "../../../src/telemetry/logging/log-line.ts";

const SECRET = "S3cr3tS3cr3tS3cr3tS3cr3tS3cr3tS3cr3tS3cr3tX";
const KEPT = {
  time: "2026-11-28T06:00:00.000Z",
  level: "warn",
  message: "an attempt failed",
  requestId: "0190a0b4-0000-7000-8000-000000000000",
  trace_id: "0190a0b4000070008000000000000000",
};

const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength;
const readBack = (line: string): Record<string, unknown> => JSON.parse(line);
const roundTrip = (fields: Record<string, unknown>): Record<string, unknown> => readBack(logLine(fields));

describe("what it is given", () => {
  test("stands on one line, in its order", () => {
    const line = logLine({ level: "info", message: "a\nb", durationMs: 1.5, isOpen: true, nothing: null });
    expect(line).toBe('{"level":"info","message":"a\\nb","durationMs":1.5,"isOpen":true,"nothing":null}');
  });

  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();

  test.each<[string, unknown, unknown]>([
    ["one object twice", [KEPT.time, [], []], [KEPT.time, [], []]],
    ["a BigInt", 2n ** 70n, "1180591620717411303424"],
    ["what is no number", [Number.NaN, Number.NEGATIVE_INFINITY], ["NaN", "-Infinity"]],
    ["undefined in a list", [undefined, 1], [null, 1]],
    ["undefined in an object", { a: undefined, b: 1 }, { b: 1 }],
    ["a function", () => 1, "[function]"],
    ["a symbol", Symbol("a"), "[symbol]"],
    ["a date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["an object that cannot be asked", proxy, "[unreadable]"],
    ["bytes", new Uint8Array(3), "[3 bytes]"],
    ["an address", new URL("https://a:b@c.example/d?e=f"), "https://***@c.example/d?***"],
    ["a map and a set", [new Map([["a", new Set([1])]])], [[["a", [1]]]]],
    ["a lone surrogate", "a\ud800b", "a\ufffdb"],
    ["what says itself how it is written", { toJSON: () => ({ a: 1 }) }, { a: 1 }],
    ["a key of the language", JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}')],
  ])("%s", (_, given, expected) => {
    expect(roundTrip({ given })).toEqual({ given: expected });
  });

  test("an error has its name, message, code, stack, and what caused it", () => {
    const cause = new Error("refused");
    const error = Object.assign(new TypeError("failed", { cause }), { code: "ECONNREFUSED" });
    expect(roundTrip({ given: error })).toEqual({
      given: {
        name: "TypeError",
        message: "failed",
        code: "ECONNREFUSED",
        stack: expect.stringContaining("TypeError: failed"),
        cause: { name: "Error", message: "refused", stack: expect.any(String) },
      },
    });
  });

  test("what lies very deep, or goes round in a circle, is left out, and the line says so", () => {
    let deep: unknown = "bottom";
    for (let depth = 0; depth < 100_000; depth += 1) deep = { deep };
    const circle: unknown[] = [];
    circle.push(circle, circle, circle);
    for (const given of [deep, circle]) {
      expect(logLine({ ...KEPT, given })).not.toContain("bottom");
      expect(roundTrip({ given, ...KEPT })).toMatchObject({ ...KEPT, truncated: true });
    }
  });

  test("of what is very wide there is a part, and what says of what it is", () => {
    const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`key${index}`, index]));
    const line = logLine({ ...wide, wide, list: new Array(1e9), ...KEPT });
    expect(bytesOf(line)).toBeLessThan(MAX_LINE_BYTES);
    expect(readBack(line)).toMatchObject({ ...KEPT, key0: 0, truncated: true });
  });

  test.each([
    "\u001b[2J",
    "\u009b2J",
    "\u007f",
    "\u2028",
    "\u2029",
    "\u0085",
    "\u202e",
    "\u{e0001}",
  ])("%j is written as an escape, and read as it was", (text) => {
    const line = logLine({ [`k${text}`]: text });
    expect(line).toMatch(/^[ -~]*$/);
    expect(readBack(line)).toEqual({ [`k${text}`]: text });
  });
});

describe("a secret", () => {
  test.each([
    ...["authorization", "Cookie", "set-cookie", "password", "DB_PASSWORD", "accessToken", "token", "secret"],
    ...["api_key", "apiKey", "x-api-key", "signature", "SIGNING_KEYS", "private_key", "credentials"],
  ])("under %s is masked, whatever it is", (key) => {
    expect(roundTrip({ a: { [key]: SECRET }, [key]: [{ b: SECRET }], b: [key, SECRET, 1] })).toEqual({
      a: { [key]: "***" },
      [key]: "***",
      b: [key, "***", 1],
    });
  });

  test("is not whether there is one", () => {
    expect(roundTrip({ hasToken: true, cookie: null })).toEqual({ hasToken: true, cookie: null });
  });

  test("in a text, a key, an error and its stack is masked", () => {
    const error = new Error(`redis://u:${SECRET}@a failed`, { cause: `token=${SECRET}` });
    const line = logLine({ message: `Bearer ${SECRET}`, [`secret=${SECRET}`]: 1, error });
    expect(line).not.toContain("S3cr3t");
  });

  test("that a very long text is cut in is gone", () => {
    for (let before = 65_400; before < 65_540; before += 1) {
      const text = `${"x".repeat(before - 30)} redis://someone:${SECRET}@host`;
      expect(logLine({ message: text })).not.toContain("S3cr3t");
    }
    // So much is masked that the cut comes into view.
    for (let before = 65_480; before < 65_540; before += 1) {
      const text = `Bearer ${"x".repeat(before - 30)} redis://someone:${SECRET}@host`;
      expect(logLine({ message: text })).not.toContain("S3cr3t");
    }
  });
});

describe("a line that would be too long", () => {
  test("is cut where it is longest, and keeps all else", () => {
    const line = logLine({ ...KEPT, long: "é".repeat(20_000), short: "s".repeat(1_000) });
    expect(bytesOf(line)).toBeLessThan(MAX_LINE_BYTES);
    expect(bytesOf(line)).toBeGreaterThan(MAX_LINE_BYTES / 2);
    const { long, ...others } = readBack(line);
    expect(others).toEqual({ ...KEPT, short: "s".repeat(1_000), truncated: true });
    expect(long).toMatch(/^é{4096}…$/);
  });

  test("has several long texts cut to the same length", () => {
    const read = roundTrip({ a: "a".repeat(20_000), b: ["b".repeat(30_000), "c"] });
    const [a, b] = [String(read["a"]), JSON.stringify(read["b"])];
    expect(Math.abs(a.length - b.length)).toBeLessThan(12);
    expect(b).toMatch(/^\["b+…","c"\]$/);
  });

  test("keeps a message that is too long alone, cut", () => {
    const read = roundTrip({ ...KEPT, message: "\u0007".repeat(50_000) });
    expect(read).toMatchObject({
      ...KEPT,
      message: expect.stringMatching(/^\p{Cc}{2000,}…$/u),
      truncated: true,
    });
  });

  test("loses all but what says of what it is where there is too little text to cut", () => {
    const numbers = Array.from({ length: 40 }, () => Array.from({ length: 10 }, (_, index) => index + 1 / 3));
    expect(roundTrip({ ...KEPT, numbers, more: numbers, evenMore: { numbers } })).toMatchObject(KEPT);
    const keys = Array.from({ length: 400 }, (_, index) => [`${index}${"k".repeat(100)}`, 1] as const);
    expect(roundTrip({ ...Object.fromEntries(keys), ...KEPT })).toEqual({ ...KEPT, truncated: true });
  });

  test("does not cut a pair of surrogates in two", () => {
    for (const shift of ["", "a", "ab", "abc"]) {
      expect(logLine({ a: `${shift}${"\u{1f600}".repeat(6_000)}` })).not.toMatch(/\\ud|\ufffd/);
    }
  });

  test("keeps what says of what it is, however long and whatever that is", () => {
    const long = "\u0001".repeat(100_000);
    const read = roundTrip({
      time: long,
      level: { a: long },
      message: [long],
      requestId: long,
      trace_id: long,
    });
    expect(Object.keys(read).sort()).toEqual([...Object.keys(KEPT), "truncated"].sort());
  });
});

const anySecret = fc.constantFrom<(secret: string) => unknown>(
  (secret) => `Bearer ${secret}`,
  (secret) => ({ password: secret }),
  (secret) => ({ deep: [{ "set-cookie": [secret] }] }),
  (secret) => `see https://me:${secret}@a.example/`,
  (secret) => `see https://a.example/?x=${secret}`,
  (secret) => `bwk_aB3_-xyz0123_${secret}`,
  (secret) => ({ [`token=${secret}`]: 1 }),
  (secret) => new Error(`secret: "${secret}"`),
  (secret) => ["authorization", secret],
  (secret) => JSON.stringify({ api_key: secret }),
);
const anyJson = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .tuple(fc.string({ unit: "binary", maxLength: 20 }), fc.nat(6_000))
    .map(([text, times]) => text.repeat(times)),
);
const anyFields = fc
  .tuple(
    fc.dictionary(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...Object.keys(KEPT))), anyJson),
    anySecret,
  )
  .map(([fields, plant]) => ({ ...fields, planted: plant(SECRET) }));

const expectSound = (line: string): void => {
  const read = readBack(line);
  expect(typeof read).toBe("object");
  expect(bytesOf(line)).toBeLessThan(MAX_LINE_BYTES);
  expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(line).not.toContain("S3cr3t");
};

test("whatever it is given, it is one short line of JSON without the secret", () => {
  fc.assert(
    fc.property(anyFields, (fields) => {
      const line = logLine(fields);
      expectSound(line);
      const read = readBack(line);
      for (const key of Object.keys(KEPT)) {
        const value: unknown = Reflect.get(fields, key);
        if (Object.hasOwn(fields, key) && value !== undefined) expect(Object.hasOwn(read, key)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

describe("a line that is JSON already", () => {
  const line = JSON.stringify({ ...KEPT, durationMs: 1.5, list: [1, { a: "b" }] });

  test.each([
    line,
    `${line}\n`,
    '{"message":"is https://a.example/ there? é"}\n',
    "{}",
  ])("%j stays", (text) => {
    expect(fitLine(text)).toBe(text);
  });

  test("that is too long for its bytes, not for its letters, is cut", () => {
    const fitted = fitLine(`${JSON.stringify({ ...KEPT, a: "€".repeat(6_000) })}\n`);
    expect(bytesOf(fitted)).toBeLessThanOrEqual(MAX_LINE_BYTES);
    expect(readBack(fitted)).toMatchObject({ ...KEPT, truncated: true });
  });

  test("that is as long as may be stays, and with one byte more is cut", () => {
    const text = JSON.stringify({ a: "x".repeat(MAX_LINE_BYTES - 9) });
    expect(bytesOf(`${text}\n`)).toBe(MAX_LINE_BYTES);
    expect(fitLine(`${text}\n`)).toBe(`${text}\n`);
    expect(readBack(fitLine(`${text.replace("x", "xx")}\n`))["truncated"]).toBe(true);
  });

  test("and says something twice hides nothing", () => {
    expect(fitLine('{"a":"Bearer S3cr3t","a":"b"}')).toBe('{"a":"b"}');
  });

  test("and hides a name by escapes hides nothing", () => {
    expect(fitLine('{"pass\\u0077ord":"S3cr3t"}')).toBe('{"password":"***"}');
    expect(fitLine('{"a":"https:\\/\\/b:S3cr3t@c"}')).toBe('{"a":"https://***@c"}');
  });

  test.each([
    "no JSON",
    "[1]",
    "1",
    '{"a":1}\n{"b":2}',
    "{",
    "",
    '{"a":1,\u0000}',
  ])("%j becomes a message", (text) => {
    expect(readBack(fitLine(text))).toEqual({ level: "info", message: text });
  });

  test("and longer than anybody reads becomes a message", () => {
    const fitted = fitLine(JSON.stringify({ a: "x".repeat(5_000_000), password: SECRET }));
    expect(bytesOf(fitted)).toBeLessThan(MAX_LINE_BYTES);
    expect(readBack(fitted)).toMatchObject({ level: "info", message: expect.stringMatching(/^\{"a":"x+…$/) });
  });

  test("comes out the same a second time, short and without the secret", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
        anySecret,
        (fields, plant) => {
          const fitted = fitLine(JSON.stringify({ ...fields, planted: plant(SECRET) }));
          expectSound(fitted);
          expect(fitLine(fitted)).toBe(fitted);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("and is no JSON at all becomes a sound line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const fitted = fitLine(text);
        expectSound(fitted.endsWith("\n") ? fitted.slice(0, -1) : fitted);
      }),
    );
  });
});
