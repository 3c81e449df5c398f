import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, inject, test } from "vitest";

const bundle = (): string => readFileSync(inject("servers").bundle.path, "utf8");
const sources = (): string[] => {
  const map: { sources: string[] } = JSON.parse(readFileSync(`${inject("servers").bundle.path}.map`, "utf8"));
  return map.sources;
};

test("the worker's bundle holds none of the origin's files", () => {
  expect(sources().length).toBeGreaterThan(20);
  expect(sources().filter((name) => /\/src\/(origin|local)\//.test(`/${name}`))).toEqual([]);
});

test("the worker's bundle holds no driver", () => {
  const drivers = /node_modules\/(pg|pg-.*|ioredis|@neondatabase|@hono\/node-server|pino)\//;
  expect(sources().filter((name) => drivers.test(name))).toEqual([]);
});

test("the worker's bundle holds no SQL", () => {
  expect(bundle()).not.toMatch(
    /\b(SELECT [\w*$]+ FROM|INSERT INTO \w|UPDATE \w+ SET|DELETE FROM \w|CREATE TABLE)\b/,
  );
});

test("the worker's bundle stays under 128 KiB gzipped", () => {
  expect(gzipSync(bundle()).byteLength).toBeLessThan(128 * 1024);
});
