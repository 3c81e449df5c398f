import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, inject, test } from "vitest";
import * as z from "zod";

const bundle = (): string => readFileSync(inject("servers").bundle.path, "utf8");
/** esbuild's metafile: the bundle's sources. */
const metafile = z.object({
  outputs: z.record(
    z.string(),
    z.object({ inputs: z.record(z.string(), z.object({ bytesInOutput: z.number() })) }),
  ),
});
const sources = (): string[] => {
  const path = join(dirname(inject("servers").bundle.path), "bundle-meta.json");
  const { outputs } = metafile.parse(JSON.parse(readFileSync(path, "utf8")));
  return Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([name, { bytesInOutput }]) => (bytesInOutput > 0 ? [name] : [])),
  );
};

test("the Worker's bundle has none of the origin's files", () => {
  expect(sources().length).toBeGreaterThan(20);
  expect(sources().filter((name) => /\/src\/(origin|local)\//.test(`/${name}`))).toEqual([]);
});

test.each([
  "hono",
  "@opentelemetry/api",
  "@microlabs/otel-cf-workers",
  "@upstash/redis",
])("the Worker's bundle has %s", (name) => {
  expect(sources().filter((source) => source.includes(`node_modules/${name}/`))).not.toEqual([]);
});

test("the Worker's bundle has no driver", () => {
  const drivers = /node_modules\/(pg|pg-.*|ioredis|@neondatabase|@hono\/node-server|pino)\//;
  expect(sources().filter((name) => drivers.test(name))).toEqual([]);
});

test("the Worker's bundle has no SQL", () => {
  expect(bundle()).not.toMatch(
    /\b(SELECT [\w*$]+ FROM|INSERT INTO \w|UPDATE \w+ SET|DELETE FROM \w|CREATE TABLE)\b/,
  );
});

test("the Worker's bundle stays under 128 KiB gzipped", () => {
  expect(gzipSync(bundle()).byteLength).toBeLessThan(128 * 1024);
});
