/** The configuration of both tiers: a fault names its variable, and shows no secret. */
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import * as z from "zod/mini";
import { parseDuration } from "../../../src/contract/duration.ts";
import { edgeService, originBreaker, readEdgeConfig } from "../../../src/edge/config.ts";
import { parseFile, readConfigurationFile } from "../../../src/origin/config/file.ts";
import { describeEntries, describeKeys } from "../../../src/origin/config/print.ts";
import { readOriginConfiguration } from "../../../src/origin/config/read.ts";
import { allKeys } from "../../../src/origin/config/schema.ts";
import { databaseName, removeDriverVariables } from "../../../src/origin/config/urls.ts";
import { collectorAddress } from "../../../src/telemetry/collector.ts";
import { resourceOf } from "../../../src/telemetry/resource.ts";
import { nearTexts } from "../mutate.ts";
import { defineTarget, must } from "../target.ts";

type Variables = Readonly<Record<string, string>>;

const WORDS = [
  "10s",
  "1m30s",
  "64MiB",
  "true",
  "enforce",
  "https://",
  "postgres://a@b/c",
  "?sslmode=",
  "%2C",
  ";weight=2",
];
/** In values that no message may show. */
const SECRET = "S3CRETS3CRETS3CRETS3CRETS3CRETS3CRETS3CRET0";

/** Some of the variables of a valid environment, changed or missing. @param others that may be added */
const nearVariables = (seeds: readonly Variables[], others: readonly string[]): fc.Arbitrary<Variables> => {
  const valid = fc.constantFrom(...seeds);
  const names = [...new Set([...seeds.flatMap((seed) => Object.keys(seed)), ...others])];
  const values = [...new Set(seeds.flatMap((seed) => Object.values(seed)))];
  const change = fc.constantFrom(...names).chain((name) => {
    const own = seeds.flatMap((seed) => seed[name] ?? []);
    const near = nearTexts(own.length === 0 ? values : own, WORDS);
    const value = fc.oneof(
      { weight: 6, arbitrary: near },
      { weight: 1, arbitrary: fc.constantFrom(...values) },
    );
    return value.map((text) => [name, text] as const);
  });
  return fc
    .tuple(valid, fc.array(change, { minLength: 1, maxLength: 3 }), fc.option(fc.constantFrom(...names)))
    .map(([start, changes, missing]) => {
      const environment: Record<string, string> = { ...start, ...Object.fromEntries(changes) };
      if (missing !== null) delete environment[missing];
      return environment;
    });
};

/** Node reads files that a database's URL names: only those that exist for this. */
const isHarmless = (environment: Variables): boolean =>
  !/(?:sslcert|sslkey|sslrootcert)=[^&]*(?:dev|proc)/i.test(decodeLoosely(environment["DATABASE_URL"] ?? ""));

const decodeLoosely = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

export const edgeConfiguration = defineTarget({
  name: "edge-configuration",
  files: [
    "edge/config.ts",
    "lib/variables.ts",
    "middleware/config.ts",
    "telemetry/resource.ts",
    "telemetry/collector.ts",
  ],
  schema: z.record(z.string(), z.string()),
  inputs: (seeds) => nearVariables(seeds, []),
  start: () => ({
    run: (environment) => {
      // As wrangler.toml gives them: numbers, booleans and lists, too.
      const typed = Object.fromEntries(
        Object.entries(environment).map(([name, text]) => [
          name,
          /^\d{1,9}$/.test(text) ? Number(text) : text,
        ]),
      );
      const lists = {
        ...typed,
        JWT_ALGORITHMS: environment["JWT_ALGORITHMS"]?.split(",") ?? [true, { a: 1 }],
      };
      for (const each of [environment, typed, lists]) {
        const reading = readEdgeConfig(each);
        if (reading.ok) {
          const service = edgeService(reading.value);
          resourceOf(service);
          originBreaker(reading.value);
          const { OTEL_EXPORTER_OTLP_ENDPOINT: collector } = reading.value;
          if (collector !== undefined) must(URL.canParse(collectorAddress(collector).url), "no address");
        } else {
          must(reading.faults.length > 0, "a configuration without a fault");
          must(
            reading.faults.every((fault) => /^[A-Z][A-Z0-9_]+ /.test(fault)),
            `a fault without a name: ${reading.message}`,
          );
          must(!reading.message.includes(SECRET.slice(0, 12)), "a secret");
        }
      }
    },
  }),
});

const keyNames = allKeys.flatMap(({ variables }) => variables);
const secretNames = allKeys.filter(({ isSecret }) => isSecret).flatMap(({ variables }) => variables);

export const originConfiguration = defineTarget({
  name: "origin-configuration",
  files: [
    "origin/config/read.ts",
    "origin/config/values.ts",
    "origin/config/urls.ts",
    "origin/config/print.ts",
    "origin/config/schema.ts",
    "contract/duration.ts",
  ],
  schema: z.record(z.string(), z.string()),
  inputs: (seeds) => nearVariables(seeds, keyNames).filter(isHarmless),
  start: () => ({
    run: (environment) => {
      const secrets = { ...environment };
      for (const name of secretNames) {
        const text = environment[name];
        if (text !== undefined && !text.includes("://")) secrets[name] = `${text}${SECRET}`;
      }
      for (const each of [environment, secrets]) {
        const reading = readOriginConfiguration(each);
        if (reading.ok) {
          databaseName(reading.value.database.url);
          const printed = describeEntries(reading.entries);
          must(!printed.includes(SECRET), "a secret in the printout");
        } else {
          must(
            /^[\s\S]*\b[A-Z][A-Z0-9_]{3,}\b/.test(reading.message),
            `no variable is named: ${reading.message}`,
          );
          must(!reading.message.includes(SECRET), "a secret in the message");
        }
      }
      const process: Record<string, string | undefined> = { ...environment, PGOPTIONS: "a", PGPASSWORD: "b" };
      removeDriverVariables(process);
      must(process["PGOPTIONS"] === undefined && process["PGPASSWORD"] === "b", "variables of the driver");
      must(parseDuration("0") === 0, "no time");
      must(describeKeys().length > 1_000, "the table of keys");
    },
  }),
});

export const configurationFile = defineTarget({
  name: "configuration-file",
  files: ["origin/config/file.ts"],
  schema: z.string(),
  inputs: (seeds) =>
    nearTexts(seeds, [
      "\n",
      "\n  ",
      ": ",
      "- ",
      "&a ",
      "*a",
      "<<: *a",
      "!!binary ",
      "|\n",
      ">-\n",
      "---\n",
      "%YAML 1.1\n",
      "{",
      "? ",
    ]),
  start: async () => {
    const required = {
      DATABASE_URL: "postgres://user@localhost/app",
      REDIS_URL: "redis://localhost",
      SIGNING_KEYS: `k:${"A".repeat(43)}=`,
      ORIGIN_AUTHORITIES: "origin.example.com",
    };
    await readConfigurationFile({ CONFIG_FILE: fileURLToPath(import.meta.url) });
    await readConfigurationFile({ CONFIG_FILE: "/nowhere/app.yaml" });
    await readConfigurationFile({}, "/nowhere/app.yaml");
    parseFile({ path: "/a/b.yaml", unreadable: "is a folder" });
    return {
      run: (text) => {
        const file = { path: "/app/config/app.yaml", text };
        const { faults, settings } = parseFile(file);
        must(settings !== undefined || faults.length > 0, "a file without settings and faults");
        const reading = readOriginConfiguration(required, file);
        must(reading.ok || reading.message.length > 10, "a fault without a message");
        if (reading.ok) describeEntries(reading.entries);
      },
    };
  },
});
