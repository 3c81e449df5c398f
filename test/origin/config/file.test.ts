import { describe, expect, test } from "vitest";
import { faultsOf, read, valid } from "./settings.ts";

const SECTIONS =
  "the file has server, observability, database, cache, redis, circuit_breaker, overload, security, signing_keys";
const CACHE = "cache has ttl, max_size";

test.each([
  ["", "an empty file"],
  ["# nothing yet\n", "a file of comments"],
  ["---\n...\n", "an empty document"],
  ["cache:\n  # ttl: 1m\n", "a section of comments"],
  ["cache:\n  ttl:\n", "a key without a value"],
  ["cache: { ttl: '' }\nredis: { key_prefix: null }", "empty values"],
  ["\uFEFFcache: {}", "a file that begins with a byte order mark"],
])("%j sets nothing (%s)", (text) => {
  expect(read(valid, text).value).toEqual({ ...read(valid).value, signingKeys: expect.anything() });
});

describe("an unknown key", () => {
  test.each([
    ["cash: 1", `cash (app.yaml:1) is not known: ${SECTIONS}`],
    ["Server: {}", `Server (app.yaml:1) is not known: ${SECTIONS}`],
    ["frontend: {}", `frontend (app.yaml:1) is not known: ${SECTIONS}`],
    ["ttl: 1m", `ttl (app.yaml:1) is not known: ${SECTIONS}`],
    ["cache.ttl: 1m", `cache.ttl (app.yaml:1) is not known: ${SECTIONS}`],
    ["cache:\n  tll: 1m", `cache.tll (app.yaml:2) is not known: ${CACHE}`],
    ["cache:\n  maxSize: 1", `cache.maxSize (app.yaml:2) is not known: ${CACHE}`],
    ["cache:\n  workers: 1", `cache.workers (app.yaml:2) is not known: ${CACHE}`],
    ["cache:\n  signing_keys: 1", `cache.signing_keys (app.yaml:2) is not known: ${CACHE}`],
    ["cache:\n  colour: red", `cache.colour (app.yaml:2) is not known: ${CACHE}`],
    ["cache:\n  <<: { ttl: 1m }", "app.yaml:2 has a key that is not a name"],
    ["? [a]\n: 1", "app.yaml:1 has a key that is not a name"],
  ])("%j: %s", (text, fault) => {
    expect(faultsOf(valid, text)).toEqual([fault]);
  });
});

test("a duplicate key or section is reported with its line", () => {
  expect(faultsOf(valid, "cache:\n  ttl: 1m\n  ttl: 2m\nserver: {}\ncache: {}\n")).toEqual([
    "app.yaml:3 is not valid YAML: duplicate key",
    "app.yaml:5 is not valid YAML: duplicate key",
  ]);
});

describe("a wrong shape", () => {
  test.each([
    ["- server", "app.yaml must hold sections such as server, observability, database"],
    ["server", "app.yaml must hold sections such as server, observability, database"],
    ["cache: 5m", "cache (app.yaml:1) must be a section with keys, not text"],
    ["cache: [ttl]", "cache (app.yaml:1) must be a section with keys, not a list"],
    ["cache: []", "cache (app.yaml:1) must be a section with keys, not a list"],
    [
      "server: { port: [1] }",
      "server.port (app.yaml:1) must be a whole number within 0 and 65535, not a list",
    ],
    [
      "server: { port: { x: 1 } }",
      "server.port (app.yaml:1) must be a whole number within 0 and 65535, not a section",
    ],
    ["signing_keys: [[a], b]", "not a list"],
    ["signing_keys: []", "signing_keys (app.yaml:1) must be id:base64"],
  ])("%j: %s", (text, fault) => {
    const { SIGNING_KEYS, ...others } = valid;
    const faults = faultsOf(text.startsWith("signing_keys") ? others : { ...others, SIGNING_KEYS }, text);
    expect(faults).toEqual([expect.stringContaining(fault)]);
  });
});

describe("invalid YAML", () => {
  test.each([
    ["server:\n\tport: 1", "app.yaml:2 is not valid YAML: tab as indent"],
    ["server:\n  port: 'x", "app.yaml:2 is not valid YAML: missing char"],
    ["a: 1\n---\nb: 2", "app.yaml:2 is not valid YAML: multiple docs"],
    ["server: !there x", "app.yaml:1 is not valid YAML: tag resolve failed"],
  ])("%j: %s", (text, fault) => {
    expect(faultsOf({}, text)).toEqual([fault]);
  });
});

describe("limits", () => {
  const levels = Array.from(
    { length: 20 },
    (_, level) => `l${level}: &l${level} [${`*l${level - 1},`.repeat(level && 9)}]`,
  );

  test("aliases of aliases are not expanded", () => {
    expect(faultsOf(valid, levels.join("\n"))).toHaveLength(levels.length);
  });

  test("an alias without an anchor is rejected", () => {
    expect(faultsOf(valid, "server: { pre_stop: *t }")).toEqual([
      "app.yaml has an alias without an anchor, or too many aliases",
    ]);
  });

  test("an alias of its own section is rejected", () => {
    expect(faultsOf(valid, "server: &s\n  port: *s")).toEqual([
      "server.port (app.yaml:2) must be a whole number within 0 and 65535, not a section",
    ]);
  });

  test("a few aliases are read", () => {
    expect(read(valid, "server: { pre_stop: &t 7s, drain_timeout: *t }").value.server).toMatchObject({
      preStopMs: 7_000,
      drainTimeoutMs: 7_000,
    });
  });

  test("a file of more than 256 KiB is not parsed", () => {
    expect(faultsOf(valid, `#${" ".repeat(256 * 1024)}`)).toEqual([
      "the configuration file /app/config/app.yaml is larger than 256 KiB",
    ]);
  });

  test.each(["[", "{a: ", "- ", "? "])("%j without end is rejected", (open) => {
    const faults = faultsOf(valid, open.repeat((256 * 1024) / open.length));
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.length).toBeLessThanOrEqual(10);
  });
});
