import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { isLenient } from "../../../src/lib/variables.ts";
import { readOriginConfiguration } from "../../../src/origin/config/read.ts";
import { allKeys } from "../../../src/origin/config/schema.ts";
import { appYaml, faultsOf, read, valid } from "./settings.ts";
import { TWELVE, twelveEnvironment } from "./twelve.ts";

const fixture = (name: string): Promise<string> =>
  readFile(new URL(`../../fixtures/configuration/${name}`, import.meta.url), "utf8");

describe("the values in force", () => {
  test("a key that is not set has its default", () => {
    // The texts of all defaults are in docs/configuration.md.
    expect(read(valid).value).toMatchObject({
      server: {
        port: 8080,
        preStopMs: 5_000,
        authorities: ["origin.example.com", "127.0.0.1:8080"],
        clientAddressHeader: undefined,
      },
      observability: { samplingRate: 0.1, accessLog: "true", logLevel: "info" },
      database: { url: valid.DATABASE_URL, connectTimeoutMs: 5_000, migrate: "at-start" },
      cache: { ttlMs: 300_000, maxSize: { entries: 1000 } },
      redis: { url: valid.REDIS_URL, token: undefined, keyPrefix: "breakwater:" },
      guards: { RATE_LIMITS: "enforce", RATE_LIMIT_LEASE_MS: 2_000, JWT_ISSUER: undefined },
      signingKeys: [{ id: "k" }],
    });
  });

  test("the service's version is the package's", async () => {
    const description: unknown = JSON.parse(
      await readFile(new URL("../../../package.json", import.meta.url), "utf8"),
    );
    expect(description).toMatchObject({ version: read(valid).value.observability.serviceVersion });
  });

  test("the guide's file is accepted unchanged", async () => {
    const { value } = read(valid, await fixture("guide-app.yaml"));
    expect(value).toMatchObject({
      server: { host: "0.0.0.0", port: 8080, workers: 4 },
      observability: {
        otlpEndpoint: "http://otel-collector:4317",
        serviceName: "web-api",
        serviceVersion: "1.0.0",
        samplingRate: 0.1,
      },
      database: { maxConnections: 20, minConnections: 5, connectTimeoutMs: 10_000, idleTimeoutMs: 60_000 },
      cache: { ttlMs: 300_000, maxSize: { entries: 1000 } },
    });
  });

  test("the guide's variable names are accepted", () => {
    const guide = { RUST_LOG: "warn", OTLP_ENDPOINT: "http://otel-collector:4317" };
    expect(read({ ...valid, ...guide }).value.observability).toMatchObject({
      logLevel: "warn",
      otlpEndpoint: guide.OTLP_ENDPOINT,
    });
    expect(read({ ...valid, ...guide, LOG_LEVEL: "error" }).value.observability.logLevel).toBe("error");
  });

  test.each([
    ["LOG_LEVEL", "warning", "warn"],
    ["LOG_LEVEL", "Err", "error"],
    ["LOG_LEVEL", "critical", "fatal"],
    ["LOG_LEVEL", "notice", "info"],
    ["RUST_LOG", "info,hyper=warn", "info"],
    ["RUST_LOG", "hyper=warn, DEBUG", "debug"],
  ])("%s=%s is the level %s", (name, text, level) => {
    expect(read({ ...valid, [name]: text }).value.observability.logLevel).toBe(level);
  });

  test("a wrong value of OpenTelemetry's variables counts as not set, with a warning", () => {
    const wrong = { OTEL_TRACES_SAMPLER_ARG: "10%", OTEL_RESOURCE_ATTRIBUTES: "team" };
    const { value, warnings } = read({ ...valid, ...wrong }, "observability: { sampling_rate: 0.3 }");
    expect(value.observability).toMatchObject({ samplingRate: 0.3, resourceAttributes: undefined });
    expect(warnings).toEqual([
      expect.stringContaining("OTEL_RESOURCE_ATTRIBUTES must be attributes such as"),
      'OTEL_TRACES_SAMPLER_ARG must be a number within 0 and 1, such as 0.1, not "10%": ignored',
    ]);
  });

  test.each([
    [{}, "shop 2"],
    [{ OTEL_SERVICE_NAME: "web", SERVICE_VERSION: "3" }, "web 3"],
  ])("the resource's attributes name the service, unless it is named: %j", (others, named) => {
    const OTEL_RESOURCE_ATTRIBUTES = "service.name=shop,service.version=2";
    const { serviceName, serviceVersion } = read({ ...valid, OTEL_RESOURCE_ATTRIBUTES, ...others }).value
      .observability;
    expect(`${serviceName} ${serviceVersion}`).toBe(named);
  });

  test("the environment wins over the file, and the file over the default", () => {
    const { value, entries } = read({ ...valid, PORT: "1" }, "server:\n  port: 2\n  admin_port: 3\n");
    expect(value.server).toMatchObject({ port: 1, adminPort: 3, workers: 1 });
    expect(entries.slice(1, 4)).toEqual([
      { key: "server.port", shown: "1", source: "PORT" },
      { key: "server.admin_port", shown: "3", source: "app.yaml:3" },
      { key: "server.workers", shown: "1", source: "default" },
    ]);
  });

  test("a wrong value in the file is ignored if the environment sets the key", () => {
    expect(faultsOf({ ...valid, PORT: "1" }, "server: { port: CHANGE_ME }")).toEqual([]);
  });

  test.each(["", " \n"])("a variable that contains %j is not set", (PORT) => {
    expect(read({ ...valid, PORT }, "server: { port: 2 }").value.server.port).toBe(2);
  });

  test("a trailing newline is not part of a secret", () => {
    const { value } = read({ ...valid, DATABASE_URL: `${valid.DATABASE_URL}\n` });
    expect(value.database.url).toBe(valid.DATABASE_URL);
  });

  test.each([
    ["cache: { max_size: 64MiB }", { cache: { maxSize: { bytes: 64 * 1024 ** 2 } } }],
    ['cache: { max_size: "500" }', { cache: { maxSize: { entries: 500 } } }],
    ["server: { port: 0, admin_port: 0, pre_stop: 0 }", { server: { port: 0, adminPort: 0, preStopMs: 0 } }],
    ["server: { authorities: [a.test, 'b.test:1'] }", { server: { authorities: ["a.test", "b.test:1"] } }],
    ["server: { authorities: 'a.test, [::1]:80' }", { server: { authorities: ["a.test", "[::1]:80"] } }],
    ["database: { prepared_statements: false }", { database: { preparedStatements: false } }],
    ['database: { prepared_statements: "FALSE" }', { database: { preparedStatements: false } }],
    ["observability: { service_version: 1.0 }", { observability: { serviceVersion: "1.0" } }],
    ["observability: { log_level: WARN }", { observability: { logLevel: "warn" } }],
  ])("%s is read", (text, expected) => {
    const { ORIGIN_AUTHORITIES, ...others } = valid;
    const environment = text.includes("authorities") ? others : valid;
    expect(read(environment, text).value).toMatchObject(expected);
  });
});

describe("wrong values", () => {
  const inFile = (variable: string, key: string) => `${variable} (or ${key} in the file)`;
  test.each([
    [
      "DATABASE_URL",
      "mysql://host",
      "must be a URL that begins with postgres:// or postgresql://, with a host",
    ],
    ["PORT", "70000", 'must be a whole number within 0 and 65535, not "70000"'],
    ["PORT", "8o80", 'must be a whole number within 0 and 65535, not "8o80"'],
    ["HOST", "http://x", "must be an address to listen on"],
    ["LOG_LEVEL", "loud", 'must be one of trace, debug, info, warn, error, fatal, not "loud"'],
    ["RUST_LOG", "web_api=debug", "must be one of trace, debug, info, warn, error, fatal"],
    ["ORIGIN_AUTHORITIES", "https://x", "must be hosts such as origin.example.com"],
    ["ORIGIN_AUTHORITIES", "a,,b", "must be hosts such as origin.example.com"],
    ["SIGNING_KEYS", "k:AAAA", "must be id:base64 of at least 32 bytes"],
    ["CACHE_TTL", "300", 'must be a duration such as 500ms, 10s or 1m30s, within 0s and 30d, not "300"'],
    ["DATABASE_CONNECT_TIMEOUT", "0", "must be a duration such as 500ms, 10s or 1m30s, within 10ms and 5m"],
    ["CACHE_MAX_SIZE", "0", "must be a number of entries within 1 and 1000000, or a size such as 64MiB"],
    ["CIRCUIT_BREAKER_FAILURE_RATIO", "0", 'must be a number above 0, at most 1, such as 0.5, not "0"'],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "otel:4317", "must be a URL that begins with http:// or https://"],
    ["DATABASE_PREPARED_STATEMENTS", "yes", 'must be true or false, not "yes"'],
  ])("%s=%s is rejected by name", (name, text, message) => {
    expect(faultsOf({ ...valid, [name]: text })).toEqual([expect.stringContaining(`${name} ${message}`)]);
  });

  test.each([
    [
      { REDIS_URL: "https://r" },
      inFile("REDIS_TOKEN", "redis.token"),
      "is missing: Redis over HTTP needs one",
    ],
    [{ PORT: "9090" }, inFile("ADMIN_PORT", "server.admin_port"), "must differ from server.port (9090)"],
    [{ SIGNING_KEYS: "" }, inFile("SIGNING_KEYS", "signing_keys"), "is missing: it must be id:base64"],
    [
      { WORKERS: "21" },
      inFile("DATABASE_MAX_CONNECTIONS", "database.max_connections"),
      "must be at least server.workers (21), but is 20 by default",
    ],
    [
      { CIRCUIT_BREAKER_TIMEOUT: "3s" },
      inFile("CIRCUIT_BREAKER_MAX_TIMEOUT", "circuit_breaker.max_timeout"),
      "must be at least circuit_breaker.timeout (3000ms), but is 2s by default",
    ],
    [
      { OVERLOAD_MAX_LIMIT: "19" },
      inFile("OVERLOAD_INITIAL_LIMIT", "overload.initial_limit"),
      "must be within overload.min_limit (8) and overload.max_limit (19), but is 20 by default",
    ],
  ])("%j requires another value of %s", (change, name, message) => {
    expect(faultsOf({ ...valid, ...change })).toEqual([expect.stringContaining(`${name} ${message}`)]);
  });

  test("the settings of tokens belong together", () => {
    expect(faultsOf({ ...valid, JWT_ISSUER: "https://issuer.test/" })).toEqual([
      expect.stringContaining("JWT_AUDIENCE (or security.jwt_audience in the file) is missing"),
      expect.stringContaining("JWT_JWKS_URL (or security.jwt_jwks_url in the file) is missing"),
    ]);
  });

  test("a key of the file is named with its line", () => {
    expect(faultsOf(valid, "\n# ours\ndatabase:\n  max_connections: many\n")).toEqual([
      'database.max_connections (app.yaml:4) must be a whole number within 1 and 1000, not "many"',
    ]);
  });

  test("one message reports twelve faults in the file and the environment", async () => {
    const text = await fixture("twelve-faults.yaml");
    const reading = readOriginConfiguration(twelveEnvironment, appYaml(text));
    const [count, ...faults] = reading.ok ? [] : reading.message.split("\n  ");
    expect(count).toBe("configuration: 12 faults");
    expect([...faults].sort()).toEqual([...TWELVE].sort());
  });

  test("an unreadable file is reported with the faults of the environment, but not with what the file may set", () => {
    const environment = { PORT: "x", LOG_LEVEL: "loud", RATE_LIMIT_LEASE_MS: "1" };
    expect(readOriginConfiguration(environment, { path: "/none", unreadable: "is not there" })).toEqual({
      ok: false,
      message: `configuration: 4 faults
  the configuration file /none is not there
  PORT must be a whole number within 0 and 65535, not "x"
  LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, not "loud"
  RATE_LIMIT_LEASE_MS must be a whole number within 1000 and 60000`,
    });
  });

  test("a key that is wrong by itself is not compared with others", () => {
    expect(
      faultsOf({ ...valid, DATABASE_MAX_CONNECTIONS: "x", DATABASE_MIN_CONNECTIONS: "30" }),
    ).toHaveLength(1);
  });

  test.each(
    allKeys.filter(({ file, variables }) => !/^server.*port$/.test(file) && !isLenient(variables[0])),
  )("a wrong value of $file hides no broken rule", ({ variables, file }) => {
    const faults = faultsOf({ ...valid, ADMIN_PORT: "8080", [variables[0] ?? ""]: "\u0001" });
    expect(faults).toEqual([
      expect.stringContaining(variables[0] ?? file),
      'ADMIN_PORT must differ from server.port (8080), not "8080"',
    ]);
  });
});
