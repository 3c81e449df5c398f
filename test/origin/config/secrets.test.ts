import { describe, expect, test } from "vitest";
import { describeEntries } from "../../../src/origin/config/print.ts";
import { readOriginConfiguration } from "../../../src/origin/config/read.ts";
import { maskUrl, quote } from "../../../src/origin/config/values.ts";
import { appYaml, read, valid } from "./settings.ts";

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
])("%s is shown as %s", (url, shown) => {
  expect(maskUrl(url)).toBe(shown);
});

test("the values in force are printed without passwords, tokens and keys", () => {
  const { entries } = read(
    {
      ...valid,
      REDIS_URL: "https://u:hunter2@redis.example",
      REDIS_TOKEN: "hunter2",
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://u:hunter2@otel.example/v1?key=hunter2",
      SIGNING_KEYS: undefined,
      DATABASE_URL: undefined,
    },
    `database: { url: "postgres://u:hunter2@db/app" }\nsigning_keys: ["a:${"B".repeat(43)}=", "b:${"C".repeat(43)}="]`,
  );
  const printed = describeEntries(entries);
  expect(printed).not.toMatch(/hunter2|BBB|CCC/);
  expect(Object.fromEntries(entries.map(({ key, shown }) => [key, shown]))).toMatchObject({
    "database.url": "postgres://***@db/app",
    "redis.url": "https://***@redis.example",
    "redis.token": "***",
    "observability.otlp_endpoint": "https://***@otel.example/v1?***",
    signing_keys: "a:***,b:***",
  });
});

describe("no message contains a secret", () => {
  test.each([
    "database: { url: 'mysql://u:hunter2@db' }",
    "database: { url: ['postgres://u:hunter2@db'] }",
    "database: postgres://u:hunter2@db/app",
    "database:\n  postgres://u:hunter2@db/app",
    "database:\n  url:postgres://u:hunter2@db/app",
    "'postgres://u:hunter2@db/app':",
    "redis: { token: { hunter2!: 1 } }",
    "redis:\n  token: @hunter2",
    "redis:\n  token: 'hunter2",
    'redis:\n  token: "\\qhunter2"',
    "redis:\n  token: *hunter2",
    "redis:\n  token: !hunter2 x",
    "redis:\n  token: x\nhunter2!\nserver:",
    "signing_keys: k:hunter2",
    "server: { port: 'postgres://u:hunter2@db/app' }",
    "server: { port: 'postgres://u:hunt/hunter2@db/app' }",
    "- hunter2",
    "hunter2",
  ])("%j", (text) => {
    const reading = readOriginConfiguration({}, appYaml(text));
    expect(reading.ok ? "" : reading.message).toMatch(/^configuration: \d+ fault/);
    expect(reading).not.toHaveProperty("message", expect.stringContaining("hunter2"));
  });

  test.each(["DATABASE_URL", "REDIS_URL", "SIGNING_KEYS"])("a wrong %s is not quoted", (name) => {
    const reading = readOriginConfiguration({ ...valid, [name]: "hunter2" });
    expect(reading).toHaveProperty("message", expect.stringMatching(new RegExp(`^ {2}${name} must be`, "m")));
    expect(reading).not.toHaveProperty("message", expect.stringContaining("hunter2"));
  });
});

test("a quoted value is shortened, and cannot break the message's lines", () => {
  expect(quote("x".repeat(50))).toBe(`"${"x".repeat(40)}…"`);
  expect(quote("a\nb")).toBe('"a\\nb"');
});
