import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  listVariable,
  numberVariable,
  optional,
  readConfiguration,
  textVariable,
  urlVariable,
  type Variable,
  withDefault,
  wordVariable,
} from "../../src/lib/variables.ts";
import { signingKeysVariable } from "../../src/middleware/signature/signing-keys.ts";

const SECRET = btoa("x".repeat(32));
const digits = (part: string) => (/^\d+$/.test(part) ? Number(part) : undefined);

const variables = {
  ADDRESS: urlVariable(["https", "http"]),
  PORT: numberVariable(1, 65_535),
  TOKEN: textVariable(),
  LEVEL: wordVariable(["info", "debug"]),
  NUMBERS: listVariable(digits, "numbers"),
  KEYS: signingKeysVariable(),
  PREFIX: withDefault(textVariable(), "breakwater:"),
  LABEL: optional(textVariable()),
};

const right = {
  ADDRESS: "https://api.example.com/base",
  PORT: "8080",
  TOKEN: "secret",
  LEVEL: "info",
  NUMBERS: "1, 2,3",
  KEYS: `k1:${SECRET}`,
};

const messageOf = (environment: Readonly<Record<string, unknown>>): string => {
  const reading = readConfiguration(variables, environment);
  return reading.ok ? "" : reading.message;
};

describe("readConfiguration", () => {
  test("reads every variable as what it means", () => {
    const reading = readConfiguration(variables, right);
    expect(reading).toMatchObject({
      ok: true,
      value: {
        ADDRESS: "https://api.example.com/base",
        PORT: 8080,
        TOKEN: "secret",
        LEVEL: "info",
        NUMBERS: [1, 2, 3],
        KEYS: [{ id: "k1" }],
        PREFIX: "breakwater:",
      },
    });
  });

  test("leaves out what it does not know", () => {
    const reading = readConfiguration(variables, { ...right, PATH: "/bin", OTHER: { fetch: () => 1 } });
    expect(reading.ok && Object.keys(reading.value).sort()).toEqual(
      [...Object.keys(right), "LABEL", "PREFIX"].sort(),
    );
  });

  test("names everything that is missing at once", () => {
    expect(messageOf({})).toBe(
      "configuration: ADDRESS is missing; PORT is missing; TOKEN is missing; LEVEL is missing; " +
        "NUMBERS is missing; KEYS is missing",
    );
  });

  test("counts an empty variable as one that is not set", () => {
    expect(messageOf({ ...right, TOKEN: "" })).toBe("configuration: TOKEN is missing");
    expect(readConfiguration(variables, { ...right, PREFIX: "" })).toMatchObject({
      value: { PREFIX: "breakwater:" },
    });
  });

  test("names everything that is wrong at once, each once", () => {
    const wrong = { ADDRESS: "?", PORT: "?", TOKEN: 1, LEVEL: "?", NUMBERS: "?,?", KEYS: "?", PREFIX: 1 };
    expect(messageOf(wrong)).toBe(
      "configuration: ADDRESS must be a URL that begins with https:// or http://; " +
        "PORT must be a whole number within 1 and 65535; TOKEN must be text; " +
        "LEVEL must be one of info, debug; NUMBERS must be numbers, with commas between them; " +
        "KEYS must be id:base64, or two of them with a comma; PREFIX must be text",
    );
  });

  test("never shows a value", () => {
    // With a mark that no message holds, in every kind of wrong value.
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
      TOKEN: fc.array(marked),
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
});

describe("a variable", () => {
  const accepts = (variable: Variable<unknown>, value: string): boolean =>
    readConfiguration({ X: variable }, { X: value }).ok;

  test.each([
    ["postgres://u:p@db.test/app", true],
    ["postgresql://db.test", true],
    ["https://db.test", false],
    ["postgres:db.test", false],
    ["db.test:5432", false],
    ["postgres", false],
    ["/var/run", false],
  ])("for a URL of its schemes takes %j: %s", (value, taken) => {
    expect(accepts(urlVariable(["postgres", "postgresql"]), value)).toBe(taken);
  });

  test.each([
    ["1", true],
    ["10", true],
    ["010", true],
    ["0", false],
    ["11", false],
    ["1.5", false],
    ["-1", false],
    ["+1", false],
    ["1e0", false],
    ["0x1", false],
    [" 1", false],
    ["9".repeat(16), false],
  ])("for a number within 1 and 10 takes %j: %s", (value, taken) => {
    expect(accepts(numberVariable(1, 10), value)).toBe(taken);
  });

  test.each([
    ["debug", true],
    ["DEBUG", false],
    ["trace", false],
  ])("for a word takes %j: %s", (value, taken) => {
    expect(accepts(wordVariable(["info", "debug"]), value)).toBe(taken);
  });

  test.each([
    ["1", true],
    ["1,2", true],
    [" 1 , 2 ", true],
    ["1,", false],
    ["1,,2", false],
    ["1;2", false],
    [",", false],
  ])("for a list takes %j: %s", (value, taken) => {
    expect(accepts(listVariable(digits, "numbers"), value)).toBe(taken);
  });

  test("for a list keeps what its parser makes of a part, even a list", () => {
    const pairs = listVariable((part) => part.split("-"), "pairs");
    const reading = readConfiguration({ X: pairs }, { X: "a-b,c-d" });
    expect(reading).toEqual({
      ok: true,
      value: {
        X: [
          ["a", "b"],
          ["c", "d"],
        ],
      },
    });
  });

  test("for signing keys says what is wrong with them", () => {
    const reading = readConfiguration({ X: signingKeysVariable() }, { X: "k1:AAAA" });
    expect(reading).toEqual({
      ok: false,
      faults: ["X must be keys of at least 32 bytes"],
      message: "configuration: X must be keys of at least 32 bytes",
    });
  });
});
