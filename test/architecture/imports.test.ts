import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const src = new URL("../../src/", import.meta.url).pathname;

/** What each folder of `src` may import: folders of `src`, and packages. */
const allowed: Record<string, { folders: readonly string[]; packages: readonly string[] }> = {
  contract: { folders: [], packages: ["zod", "hono"] },
  core: { folders: ["contract"], packages: ["@noble/hashes", "jose"] },
  edge: { folders: ["contract", "core"], packages: ["breakwater-edge-routes", "node:async_hooks"] },
  origin: {
    folders: ["contract", "core"],
    packages: [
      "hono",
      "zod",
      "@hono/node-server",
      "@upstash/redis",
      "ioredis",
      "lru-cache",
      "pg",
      "pino",
      "prom-client",
      "uuid",
      "yaml",
      "@neondatabase/serverless",
      "node:",
    ],
  },
  local: {
    folders: ["contract", "core", "origin"],
    packages: ["node:", "miniflare", "smol-toml", "ioredis", "ioredis-mock", "pg"],
  },
};

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));

const IMPORT =
  /^(?:import|export)\s[^"'();=]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

const importsOf = (file: string): string[] =>
  [...readFileSync(join(src, file), "utf8").matchAll(IMPORT)].flatMap(
    ([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? [],
  );

const isAllowed = (file: string, specifier: string): boolean => {
  const [folder = ""] = file.split("/");
  const rules = allowed[folder];
  if (rules === undefined) return false;
  if (!specifier.startsWith("."))
    return rules.packages.some(
      (name) => specifier === name || specifier.startsWith(name.endsWith(":") ? name : `${name}/`),
    );
  const [target = ""] = relative(src, join(src, dirname(file), specifier)).split("/");
  return target === folder || rules.folders.includes(target);
};

test("every folder of src has its rules", () => {
  expect([...new Set(files.map((file) => file.split("/")[0]))].sort()).toEqual(Object.keys(allowed).sort());
});

test("imports run one way: edge → core ← origin, contract under all, local over all", () => {
  const found = files.flatMap((file) => importsOf(file).map((specifier) => ({ file, specifier })));
  expect(found.length).toBeGreaterThan(200);
  expect(found.filter(({ file, specifier }) => !isAllowed(file, specifier))).toEqual([]);
});

test("only the sample API's two folders and what shows it off know the shop", () => {
  const shop = /\/(contract|origin)\/api\//;
  const entrances = ["routes.ts", "problems.ts", "tour.ts", "handlers.ts", "sample-data.ts"];
  const strangers = files
    .filter((file) => !shop.test(`/${file}`))
    .flatMap((file) =>
      importsOf(file).map((specifier) => ({ file, specifier: join("/", dirname(file), specifier) })),
    )
    .filter(({ specifier }) => shop.test(specifier))
    .filter(({ specifier }) => !entrances.some((name) => specifier.endsWith(`/${name}`)));
  expect(strangers).toEqual([]);
});

test("core keeps no state in its modules", () => {
  const stateful = files
    .filter((file) => file.startsWith("core/"))
    .filter((file) =>
      /^(export )?(let|var) |^(export )?const \w+(: [^=]+)? = new (Map|Set|WeakMap|Array)\b/m.test(
        readFileSync(join(src, file), "utf8"),
      ),
    );
  expect(stateful).toEqual([]);
});
