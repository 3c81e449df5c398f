import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { readOriginConfiguration } from "../../src/origin/configuration.ts";

const valid = {
  DATABASE_URL: "postgres://user@localhost/app",
  REDIS_URL: "redis://localhost",
  SIGNING_KEYS: `k:${"A".repeat(43)}=`,
  ORIGIN_AUTHORITIES: "origin.example.com,127.0.0.1:8080",
};

test("what is not set has its default", () => {
  const reading = readOriginConfiguration({ ...valid, LOG_LEVEL: "" });
  expect(reading).toMatchObject({
    ok: true,
    value: { PORT: 8080, ADMIN_PORT: 9090, HOST: "0.0.0.0", LOG_LEVEL: "info", DATABASE_MAX_CONNECTIONS: 20 },
  });
});

test.each([
  [
    { DATABASE_URL: "mysql://host" },
    "DATABASE_URL must be a URL that begins with postgres:// or postgresql://",
  ],
  [{ REDIS_URL: "https://redis.example" }, "REDIS_TOKEN is missing: Redis over HTTP needs one"],
  [{ PORT: "70000" }, "PORT must be a whole number within 0 and 65535"],
  [{ PORT: "8o80" }, "PORT must be a whole number within 0 and 65535"],
  [{ LOG_LEVEL: "loud" }, "LOG_LEVEL must be one of trace, debug, info, warn, error, fatal"],
  [{ ORIGIN_AUTHORITIES: "https://x" }, "ORIGIN_AUTHORITIES must be hosts such as origin.example.com"],
  [{ SIGNING_KEYS: undefined }, "SIGNING_KEYS is missing"],
])("%j is refused by name", (change, message) => {
  const reading = readOriginConfiguration({ ...valid, ...change });
  expect(reading.ok ? "" : reading.message).toContain(message);
});

test("a process with a wrong configuration names every wrong key in one message and exits 78", async () => {
  const main = new URL("../../src/origin/main.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env["PATH"], PORT: "x", DATABASE_URL: "postgres://user:hunter2@" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const output = await text(child.stdout);
  expect(output.trim().split("\n")).toHaveLength(1);
  for (const name of ["DATABASE_URL", "REDIS_URL", "SIGNING_KEYS", "ORIGIN_AUTHORITIES", "PORT"])
    expect(output).toContain(name);
  expect(output).not.toContain("hunter2");
  expect((await exit)[0]).toBe(78);
});
