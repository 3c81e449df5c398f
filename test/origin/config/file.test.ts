import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfigurationFile } from "../../../src/origin/config/file.ts";
import { faultsOf, read, valid } from "./settings.ts";

const NAMES =
  "server, observability, database, cache, redis, circuit_breaker, overload, security, signing_keys";

test.each([
  ["", "an empty file"],
  ["# nothing yet\n", "a file of comments"],
  ["cache:\n  # ttl: 1m\n", "a section of comments"],
  ["cache: { ttl: '' }\nredis: { key_prefix: null, token: [] }", "empty values"],
  ["\uFEFFcache: {}", "a file that begins with a byte order mark"],
])("%j sets nothing (%s)", (text) => {
  expect(read(valid, text).value).toEqual({ ...read(valid).value, signingKeys: expect.anything() });
});

describe("a fault of the file", () => {
  test.each([
    ["cash: 1", `cash (app.yaml:1) is not known: the file has ${NAMES}`],
    ["Server:\n  port: 1", `Server.port (app.yaml:2) is not known: the file has ${NAMES}`],
    ["cache:\n  tll: 1m", "cache.tll (app.yaml:2) is not known: cache has ttl, max_size"],
    ["cache:\n  workers: 1", "cache.workers (app.yaml:2) is not known: cache has ttl, max_size"],
    ["cache:\n  <<: { ttl: 1m }", "app.yaml:2 has a key that is not a name"],
    ["? [a]\n: 1", "app.yaml:1 has a key that is not a name"],
    ["- server", `app.yaml must hold sections: ${NAMES}`],
    ["server", `app.yaml must hold sections: ${NAMES}`],
    ["cache: 5m", "cache (app.yaml:1) is not known: cache has ttl, max_size"],
    ["cache: [ttl]", "cache (app.yaml:1) is not known: cache has ttl, max_size"],
    [
      "server: { port: [1, 2] }",
      'server.port (app.yaml:1) must be a whole number within 0 and 65535, not "1,2"',
    ],
    ["server: &s\n  port: *s", "server.port (app.yaml:2) must be text, or a list of texts"],
    ["redis: { key_prefix: [[a], b] }", "redis.key_prefix (app.yaml:1) must be text, or a list of texts"],
    ["server:\n\tport: 1", "app.yaml:2 is not valid YAML: tab as indent"],
    ["server:\n  port: 'x", "app.yaml:2 is not valid YAML: missing char"],
    ["a: 1\n---\nb: 2", "app.yaml:2 is not valid YAML: multiple docs"],
    ["server: !there x", "app.yaml:1 is not valid YAML: tag resolve failed"],
    ["cache:\n  ttl: 1m\n  ttl: 2m", "app.yaml:3 is not valid YAML: duplicate key"],
    [
      "server: { pre_stop: *t }",
      "app.yaml is not valid YAML: an alias without an anchor, too many aliases, or too deep",
    ],
  ])("%j: %s", (text, fault) => {
    expect(faultsOf(valid, text)).toEqual([fault]);
  });
});

test("a few aliases are read", () => {
  expect(read(valid, "server: { pre_stop: &t 7s, drain_timeout: *t }").value.server).toMatchObject({
    preStopMs: 7_000,
    drainTimeoutMs: 7_000,
  });
});

test("aliases of aliases are not expanded", () => {
  const levels = Array.from(
    { length: 20 },
    (_, level) => `l${level}: &l${level} [${`*l${level - 1},`.repeat(level && 9)}]`,
  );
  expect(faultsOf(valid, levels.join("\n")).length).toBeGreaterThan(0);
});

test.each(["[", "{a: ", "- "])("%j without end is rejected with few faults", (open) => {
  const { length } = faultsOf(valid, open.repeat(5_000));
  expect(length).toBeGreaterThan(0);
  expect(length).toBeLessThanOrEqual(10);
});

describe("the path of the file", () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "breakwater-configuration-"));
    await writeFile(at("app.yaml"), "server: {}\n");
    await writeFile(at("other.yaml"), "cache: {}\n");
    await mkdir(at("folder"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([{}, { CONFIG_FILE: " " }])("%j reads the file at the default path", async (environment) => {
    const file = { path: at("app.yaml"), text: "server: {}\n" };
    expect(await readConfigurationFile(environment, at("app.yaml"))).toEqual(file);
  });

  test("without CONFIG_FILE the default file may be absent", async () => {
    expect(await readConfigurationFile({}, at("none.yaml"))).toBeUndefined();
  });

  test("CONFIG_FILE names another file", async () => {
    const environment = { CONFIG_FILE: at("other.yaml") };
    expect(await readConfigurationFile(environment, at("app.yaml"))).toEqual({
      path: at("other.yaml"),
      text: "cache: {}\n",
    });
  });

  test.each([
    ["none.yaml", "ENOENT: no such file or directory"],
    ["folder", "EISDIR: illegal operation on a directory"],
  ])("a file that CONFIG_FILE names has to be readable: %s", async (name, because) => {
    expect(await readConfigurationFile({ CONFIG_FILE: at(name) }, at("app.yaml"))).toEqual({
      path: at(name),
      unreadable: expect.stringContaining(`(named by CONFIG_FILE) cannot be read: ${because}`),
    });
  });

  test("a folder at the default path is a fault, not the absence of a file", async () => {
    expect(await readConfigurationFile({}, at("folder"))).toMatchObject({
      unreadable: expect.stringMatching(/^cannot be read: EISDIR/),
    });
  });
});
