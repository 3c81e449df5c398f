import { describe, expect, test } from "vitest";
import { describeEntries } from "../../../src/origin/config/print.ts";
import { readOriginConfiguration } from "../../../src/origin/config/read.ts";
import { quote } from "../../../src/origin/config/values.ts";
import { appYaml, read, valid } from "./settings.ts";

test("the values in force are printed without passwords, tokens and keys", () => {
  const { entries } = read(
    {
      ...valid,
      REDIS_URL: "rediss://u:hunter2@redis.example",
      REDIS_TOKEN: "hunter2",
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://otel.example/v1?key=hunter2",
      SIGNING_KEYS: undefined,
      DATABASE_URL: undefined,
    },
    `database: { url: "postgres://u:hunter2@db/app" }\nsigning_keys: ["a:${"B".repeat(43)}=", "b:${"C".repeat(43)}="]`,
  );
  const printed = describeEntries(entries);
  expect(printed).not.toMatch(/hunter2|BBB|CCC/);
  expect(Object.fromEntries(entries.map(({ key, shown }) => [key, shown]))).toMatchObject({
    "database.url": "postgres://***@db/app",
    "redis.url": "rediss://***@redis.example",
    "redis.token": "***",
    "observability.otlp_endpoint": "https://otel.example/v1?***",
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
