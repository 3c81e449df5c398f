import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitLine, logLine, MAX_LINE_BYTES } from "../../../src/telemetry/logging/log-line.ts";

const SECRET = "S3cr3tS3cr3tS3cr3tS3cr3tS3cr3tS3cr3tS3cr3tX";
const MAIN_FIELDS = {
  time: "2026-11-28T06:00:00.000Z",
  level: "warn",
  message: "an attempt failed",
  requestId: "0190a0b4-0000-7000-8000-000000000000",
  trace_id: "0190a0b4000070008000000000000000",
};

const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength;
const readBack = (line: string): Record<string, unknown> => JSON.parse(line);
const roundTrip = (fields: Record<string, unknown>): Record<string, unknown> => readBack(logLine(fields));

describe("a value", () => {
  test("is on one line, in the order of the fields", () => {
    const line = logLine({ level: "info", message: "a\nb", durationMs: 1.5, isOpen: true, nothing: null });
    expect(line).toBe('{"level":"info","message":"a\\nb","durationMs":1.5,"isOpen":true,"nothing":null}');
  });

  test("has the same form in a line of plain values as beside an object", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("pwd=a", "a://b:c@d", "bwk_x", "a\u2028"),
    );
    const value = fc.oneof(text, fc.double(), fc.boolean(), fc.constantFrom(null, undefined));
    const key = fc.oneof(text, fc.constantFrom("password", "level", "toJSON", "x".repeat(200)));
    fc.assert(
      fc.property(fc.dictionary(key, value), (fields) => {
        const { "an object": nested, ...rest } = roundTrip({ ...fields, "an object": {} });
        expect(nested).toEqual({});
        expect(roundTrip(fields)).toEqual(rest);
      }),
    );
  });

  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();

  test.each<[string, unknown, unknown]>([
    ["a repeated object", [MAIN_FIELDS.time, [], []], [MAIN_FIELDS.time, [], []]],
    ["a BigInt", 2n ** 70n, "1180591620717411303424"],
    ["a number that JSON lacks", [Number.NaN, Number.NEGATIVE_INFINITY], ["NaN", "-Infinity"]],
    ["undefined in a list", [undefined, 1], [null, 1]],
    ["undefined in an object", { a: undefined, b: 1 }, { b: 1 }],
    ["a function", () => 1, "[function]"],
    ["a symbol", Symbol("a"), "[symbol]"],
    ["a date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["an object that throws", proxy, "[unreadable]"],
    ["bytes", new Uint8Array(3), "[3 bytes]"],
    ["a URL", new URL("https://a:b@c.example/d?e=f"), "https://***@c.example/d?***"],
    ["a map and a set", [new Map([["a", new Set([1])]])], [[["a", [1]]]]],
    ["a lone surrogate", "a\ud800b", "a\ufffdb"],
    ["an object with toJSON", { toJSON: () => ({ a: 1 }) }, { a: 1 }],
    ["the key __proto__", JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}')],
  ])("can be %s", (_, value, expected) => {
    expect(roundTrip({ value })).toEqual({ value: expected });
  });

  test("that is an error has name, message, code, stack and cause", () => {
    const cause = new Error("refused");
    const error = Object.assign(new TypeError("failed", { cause }), { code: "ECONNREFUSED" });
    expect(roundTrip({ error })).toEqual({
      error: {
        name: "TypeError",
        message: "failed",
        code: "ECONNREFUSED",
        stack: expect.stringContaining("TypeError: failed"),
        cause: { name: "Error", message: "refused", stack: expect.any(String) },
      },
    });
  });

  test("that is very deep or circular is cut, and marked", () => {
    let deep: unknown = "bottom";
    for (let depth = 0; depth < 100_000; depth += 1) deep = { deep };
    const circle: unknown[] = [];
    circle.push(circle, circle, circle);
    for (const value of [deep, circle]) {
      expect(logLine({ ...MAIN_FIELDS, value })).not.toContain("bottom");
      expect(roundTrip({ value, ...MAIN_FIELDS })).toMatchObject({ ...MAIN_FIELDS, truncated: true });
    }
  });

  test("that is very wide is cut, and the line keeps its main fields", () => {
    const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`key${index}`, index]));
    const line = logLine({ ...wide, wide, list: new Array(1e9), ...MAIN_FIELDS });
    expect(bytesOf(line)).toBeLessThan(MAX_LINE_BYTES);
    expect(readBack(line)).toMatchObject({ ...MAIN_FIELDS, key0: 0, truncated: true });
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
  ])("with the character %j is escaped", (text) => {
    const line = logLine({ [`k${text}`]: text });
    expect(line).toMatch(/^[ -~]*$/);
    expect(readBack(line)).toEqual({ [`k${text}`]: text });
  });
});

describe("a secret", () => {
  test.each([
    ...["authorization", "Cookie", "set-cookie", "password", "DB_PASSWORD", "accessToken", "token", "secret"],
    ...["api_key", "apiKey", "x-api-key", "signature", "SIGNING_KEYS", "private_key", "credentials"],
  ])("under the key %s is masked, whatever its type", (key) => {
    expect(roundTrip({ a: { [key]: SECRET }, [key]: [{ b: SECRET }], b: [key, SECRET, 1] })).toEqual({
      a: { [key]: "***" },
      [key]: "***",
      b: [key, "***", 1],
    });
  });

  test("leaves its presence visible", () => {
    expect(roundTrip({ hasToken: true, cookie: null })).toEqual({ hasToken: true, cookie: null });
  });

  test("in a text, a key, an error and its stack is masked", () => {
    const error = new Error(`redis://u:${SECRET}@a failed`, { cause: `token=${SECRET}` });
    const line = logLine({ message: `Bearer ${SECRET}`, [`secret=${SECRET}`]: 1, error });
    expect(line).not.toContain("S3cr3t");
  });

  test("at the cut of a very long text is removed", () => {
    for (let before = 65_400; before < 65_540; before += 1) {
      const text = `${"x".repeat(before - 30)} redis://someone:${SECRET}@host`;
      expect(logLine({ message: text })).not.toContain("S3cr3t");
    }
    // The mask lengthens the line, so that the cut is within it.
    for (let before = 65_480; before < 65_540; before += 1) {
      const text = `Bearer ${"x".repeat(before - 30)} redis://someone:${SECRET}@host`;
      expect(logLine({ message: text })).not.toContain("S3cr3t");
    }
  });
});

describe("a line that is too long", () => {
  test("has its longest text cut", () => {
    const line = logLine({ ...MAIN_FIELDS, long: "é".repeat(20_000), short: "s".repeat(1_000) });
    expect(bytesOf(line)).toBeLessThan(MAX_LINE_BYTES);
    expect(bytesOf(line)).toBeGreaterThan(MAX_LINE_BYTES / 2);
    const { long, ...others } = readBack(line);
    expect(others).toEqual({ ...MAIN_FIELDS, short: "s".repeat(1_000), truncated: true });
    expect(long).toMatch(/^é{4096}…$/);
  });

  test("keeps the beginning of its message", () => {
    const read = roundTrip({ ...MAIN_FIELDS, message: "\u0007".repeat(50_000) });
    expect(read).toMatchObject({
      ...MAIN_FIELDS,
      message: expect.stringMatching(/^\p{Cc}{2000,}…$/u),
      truncated: true,
    });
  });

  test("keeps only its main fields if cutting texts is not enough", () => {
    const numbers = Array.from({ length: 40 }, () => Array.from({ length: 10 }, (_, index) => index + 1 / 3));
    expect(roundTrip({ ...MAIN_FIELDS, numbers, more: numbers, evenMore: { numbers } })).toMatchObject(
      MAIN_FIELDS,
    );
    const keys = Array.from({ length: 400 }, (_, index) => [`${index}${"k".repeat(100)}`, 1] as const);
    expect(roundTrip({ ...Object.fromEntries(keys), ...MAIN_FIELDS })).toEqual({
      ...MAIN_FIELDS,
      truncated: true,
    });
  });

  test("is never cut between two surrogates", () => {
    for (const shift of ["", "a", "ab", "abc"]) {
      expect(logLine({ a: `${shift}${"\u{1f600}".repeat(6_000)}` })).not.toMatch(/\\ud|\ufffd/);
    }
  });

  test("keeps its main fields even if they are too long, or no texts", () => {
    const long = "\u0001".repeat(100_000);
    const read = roundTrip({
      time: long,
      level: { a: long },
      message: [long],
      requestId: long,
      trace_id: long,
    });
    expect(Object.keys(read).sort()).toEqual([...Object.keys(MAIN_FIELDS), "truncated"].sort());
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
    fc.dictionary(
      fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...Object.keys(MAIN_FIELDS))),
      anyJson,
    ),
    anySecret,
  )
  .map(([fields, plant]) => ({ ...fields, planted: plant(SECRET) }));

const expectValidLine = (line: string): void => {
  const read = readBack(line);
  expect(typeof read).toBe("object");
  expect(bytesOf(line)).toBeLessThan(MAX_LINE_BYTES);
  expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(line).not.toContain("S3cr3t");
};

test("any input gives one short line of JSON without the secret", () => {
  fc.assert(
    fc.property(anyFields, (fields) => {
      const line = logLine(fields);
      expectValidLine(line);
      const read = readBack(line);
      for (const key of Object.keys(MAIN_FIELDS)) {
        const value: unknown = Reflect.get(fields, key);
        if (Object.hasOwn(fields, key) && value !== undefined) expect(Object.hasOwn(read, key)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

describe("an existing line of JSON", () => {
  const line = JSON.stringify({ ...MAIN_FIELDS, durationMs: 1.5, list: [1, { a: "b" }] });

  test.each([
    line,
    `${line}\n`,
    '{"message":"is https://a.example/ up? é"}\n',
    "{}",
  ])("is unchanged: %j", (text) => {
    expect(fitLine(text)).toBe(text);
  });

  test("is cut by its bytes, not its characters", () => {
    const fitted = fitLine(`${JSON.stringify({ ...MAIN_FIELDS, a: "€".repeat(6_000) })}\n`);
    expect(bytesOf(fitted)).toBeLessThanOrEqual(MAX_LINE_BYTES);
    expect(readBack(fitted)).toMatchObject({ ...MAIN_FIELDS, truncated: true });
  });

  test("of the maximum length is unchanged, and with one byte more it is cut", () => {
    const text = JSON.stringify({ a: "x".repeat(MAX_LINE_BYTES - 9) });
    expect(bytesOf(`${text}\n`)).toBe(MAX_LINE_BYTES);
    expect(fitLine(`${text}\n`)).toBe(`${text}\n`);
    expect(readBack(fitLine(`${text.replace("x", "xx")}\n`))["truncated"]).toBe(true);
  });

  test("hides no secret behind a repeated key", () => {
    expect(fitLine('{"a":"Bearer S3cr3t","a":"b"}')).toBe('{"a":"b"}');
  });

  test("hides no secret behind escapes", () => {
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
  ])("becomes a message if it is no JSON object: %j", (text) => {
    expect(readBack(fitLine(text))).toEqual({ level: "info", message: text });
  });

  test("becomes a message if it is too long to be parsed", () => {
    const fitted = fitLine(JSON.stringify({ a: "x".repeat(5_000_000), password: SECRET }));
    expect(bytesOf(fitted)).toBeLessThan(MAX_LINE_BYTES);
    expect(readBack(fitted)).toMatchObject({ level: "info", message: expect.stringMatching(/^\{"a":"x+…$/) });
  });

  test("is short and without the secret, and the same if it is fitted twice", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
        anySecret,
        (fields, plant) => {
          const fitted = fitLine(JSON.stringify({ ...fields, planted: plant(SECRET) }));
          expectValidLine(fitted);
          expect(fitLine(fitted)).toBe(fitted);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("can be any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const fitted = fitLine(text);
        expectValidLine(fitted.endsWith("\n") ? fitted.slice(0, -1) : fitted);
      }),
    );
  });
});
