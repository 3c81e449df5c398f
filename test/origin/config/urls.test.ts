import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { faultsOf, read, valid } from "./settings.ts";

const authority = "postgres://u:p@db.example/app";
const file = fileURLToPath(import.meta.url);

test.each([
  ["REDIS_URL", "redis://:50%25off@redis.example:6379/3"],
  ["REDIS_URL", "rediss://app:p%40ss@redis.example"],
  ["REDIS_URL", "redis://redis.example/?family=6"],
  ["DATABASE_URL", "postgres://u:50%25off@db.example/app"],
  ["DATABASE_URL", "postgres://u:p@/app?host=/var/run/postgresql"],
  ["DATABASE_URL", "postgres:///app?host=db.example"],
  ["DATABASE_URL", `${authority}?sslmode=no-verify`],
  ["DATABASE_URL", `${authority}?sslmode=verify-full&sslrootcert=${file}`],
  ["DATABASE_URL", `${authority}?sslmode=require&uselibpqcompat=true`],
])("%s=%s is accepted unchanged", (name, text) => {
  const { database, redis } = read({ ...valid, [name]: text }).value;
  expect([database.url, redis.url]).toContain(text);
});

test.each([
  "REDIS_URL=redis://:50%off@redis.example:6379",
  "REDIS_URL=redis://a%zz:p@redis.example",
  "REDIS_URL=redis://app:12#3@redis.example",
  "REDIS_URL=redis://app:12/3@redis.example",
  "REDIS_URL=redis://redis.example/cache",
  "REDIS_URL=redis://redis.example/-1",
  "REDIS_URL=redis://redis.example/0?db=cache",
  "REDIS_URL=https://u:p@redis.example",
  "DATABASE_URL=postgres://u:50%off@db.example/app",
  "DATABASE_URL=postgres://u%:p@db.example/app",
  "DATABASE_URL=postgres://app:12#3@db.example/app",
  "DATABASE_URL=postgres://app:12/3@db.example/app",
  "DATABASE_URL=postgres://app:12?3@db.example/app",
  "DATABASE_URL=postgres://u:p@/app",
  `DATABASE_URL=${authority}?sslmode=nonsense`,
  `DATABASE_URL=${authority}?sslmode=allow`,
  `DATABASE_URL=${authority}?sslrootcert=/nope.crt`,
  `DATABASE_URL=${authority}?sslmode=verify-ca&uselibpqcompat=true`,
  "SIEM_URL=https://u:p@siem.example/in",
  "OTEL_EXPORTER_OTLP_ENDPOINT=https://u:p@otel.example",
  "OTEL_EXPORTER_OTLP_ENDPOINT=https://u%zz@otel.example",
  "JWT_JWKS_URL=https://u:p@issuer.example/keys",
])("%s is a fault of the configuration", (setting) => {
  const [name = "", ...text] = setting.split("=");
  const token = { REDIS_TOKEN: "t", JWT_ISSUER: "https://issuer.example", JWT_AUDIENCE: "api" };
  const jwks = { JWT_JWKS_URL: "https://issuer.example/keys" };
  const environment = { ...valid, ...token, ...jwks, [name]: text.join("=") };
  expect(faultsOf(environment)).toEqual([expect.stringMatching(`^${name} must be`)]);
});

test.each([
  "prefer",
  "require",
  "verify-ca",
])("sslmode=%s verifies the certificate and the host, as the driver has it, without the driver's warning", (mode) => {
  const { database } = read({ ...valid, DATABASE_URL: `${authority}?sslmode=${mode}&x=1` }).value;
  expect(database.url).toBe(`${authority}?sslmode=verify-full&x=1`);
});
