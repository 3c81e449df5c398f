import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const src = new URL("../../src/", import.meta.url).pathname;

const shared = ["contract", "lib", "middleware", "resilience", "security-events", "telemetry"] as const;

/** The folders of `src` and the packages that each folder of `src` may import. */
const allowed: Record<string, { folders: readonly string[]; packages: readonly string[] }> = {
  contract: { folders: [], packages: ["zod", "hono"] },
  lib: { folders: [], packages: ["zod"] },
  resilience: { folders: ["contract", "lib"], packages: [] },
  telemetry: {
    folders: ["contract", "lib", "middleware", "resilience"],
    packages: ["@opentelemetry"],
  },
  "security-events": { folders: ["contract", "lib", "middleware"], packages: [] },
  middleware: { folders: shared, packages: ["@noble/hashes", "hono", "ipaddr.js", "jose", "quick-lru"] },
  edge: {
    folders: shared,
    packages: ["hono", "@microlabs/otel-cf-workers", "@opentelemetry", "@upstash/redis", "#edge-routes"],
  },
  origin: {
    folders: shared,
    packages: [
      "hono",
      "zod",
      "@hono/node-server",
      "@opentelemetry",
      "@upstash/redis",
      "age-encryption",
      "ioredis",
      "croner",
      "lru-cache",
      "pg",
      "pg-connection-string",
      "pino",
      "uuid",
      "yaml",
      "@neondatabase/serverless",
      "node:",
    ],
  },
  local: {
    folders: [...shared, "origin"],
    packages: [
      "node:",
      "hono",
      "zod",
      "@hono/node-server",
      "@opentelemetry",
      "miniflare",
      "esbuild",
      "smol-toml",
      "ioredis",
      "ioredis-mock",
      "lru-cache",
      "pino-pretty",
      "preact",
      "uplot",
    ],
  },
  ops: { folders: ["contract", "lib", "local", "origin"], packages: ["node:", "zod"] },
};

/** The starter's files are for other places. */
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
  (name) => /\.tsx?$/.test(name) && !name.startsWith("ops/starter/"),
);

const IMPORT =
  /^(?:import|export)\s[^"'();=]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

const importsOf = (file: string): string[] =>
  [...readFileSync(join(src, file), "utf8").matchAll(IMPORT)].flatMap(
    ([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? [],
  );

/** `#api/origin/jobs.ts` is in `origin/api`. */
const isEntrance = (specifier: string): boolean => specifier.startsWith("#api/");

const isAllowed = (file: string, specifier: string): boolean => {
  const [folder = ""] = file.split("/");
  const rules = allowed[folder];
  if (rules === undefined) return false;
  if (isEntrance(specifier)) {
    const [, tier = ""] = specifier.split("/");
    return tier === folder || rules.folders.includes(tier);
  }
  if (!specifier.startsWith("."))
    return rules.packages.some(
      (name) => specifier === name || specifier.startsWith(name.endsWith(":") ? name : `${name}/`),
    );
  const [target = ""] = relative(src, join(src, dirname(file), specifier)).split("/");
  return target === folder || rules.folders.includes(target);
};

test("every folder of src has rules", () => {
  expect([...new Set(files.map((file) => file.split("/")[0]))].sort()).toEqual(Object.keys(allowed).sort());
});

test("no shared folder imports a tier, and no tier imports the other", () => {
  const found = files.flatMap((file) => importsOf(file).map((specifier) => ({ file, specifier })));
  expect(found.length).toBeGreaterThan(200);
  expect(found.filter(({ file, specifier }) => !isAllowed(file, specifier))).toEqual([]);
});

test("only the files that set up OpenTelemetry import its SDK, all others its API", () => {
  const importing = files.filter((file) =>
    importsOf(file).some(
      (specifier) => specifier.startsWith("@opentelemetry/") && specifier !== "@opentelemetry/api",
    ),
  );
  expect(importing.toSorted()).toEqual([
    "edge/telemetry/exporter.ts",
    "edge/telemetry/tracing.ts",
    "local/telemetry/metrics.ts",
    "origin/metrics/prometheus.ts",
    "origin/metrics/totals.ts",
    "origin/telemetry/tracing.ts",
    "telemetry/meter-provider.ts",
  ]);
});

test("only the API's two folders import from them, except for its entry points", () => {
  const isOfApi = (file: string): boolean => /^(contract|origin)\/api\//.test(file);
  const entrances = ["config", "handlers", "jobs", "migrations", "problems", "routes", "sample-data", "tour"];
  const strangers = files
    .filter((file) => !isOfApi(file))
    .flatMap((file) => importsOf(file).map((specifier) => ({ file, specifier })))
    .filter(({ file, specifier }) =>
      isEntrance(specifier)
        ? !entrances.some((name) => specifier.endsWith(`/${name}.ts`))
        : isOfApi(join(dirname(file), specifier)),
    );
  expect(strangers).toEqual([]);
});

test("shared folders have no state at module level", () => {
  const stateful = files
    .filter((file) => shared.some((folder) => file.startsWith(`${folder}/`)))
    .filter((file) =>
      /^(export )?(let|var) |^(export )?const \w+(: [^=]+)? = new (Map|Set|WeakMap|Array)\b/m.test(
        readFileSync(join(src, file), "utf8"),
      ),
    );
  expect(stateful).toEqual([]);
});

test("no file imports a package's internals or uses its private members", () => {
  const inside = /^(?:@[^/]+\/)?[^./][^/]*\/(?:build|dist|internal|lib|src)\//;
  // `z._default` is zod/mini's public name for a default.
  const privateMember = /(?<!\bz)\._[a-z]\w*|\[["']_[a-z]\w*["']\]/g;
  const found = files.flatMap((file) => [
    ...importsOf(file).filter((specifier) => inside.test(specifier)),
    ...(readFileSync(join(src, file), "utf8").match(privateMember) ?? []),
  ]);
  expect(found).toEqual([]);
});
