/** The cost of adding a guard: one file, one line where guards are mounted, one variable. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { type LocalEdge, startEdge } from "../../src/local/edge.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { metric } from "../support/backing.ts";
import { type Collector, startCollector } from "../support/collector.ts";
import { bundleEdgeWithRoutes } from "../support/edge-with-routes.ts";
import { problemOf } from "../support/problem-of.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const execute = promisify(execFile);

const page = defineRoute({
  method: "GET",
  path: "/page",
  summary: "Needs nothing",
  tag: "Test",
  responses: { 200: { description: "Done" } },
  policy: { auth: "public" },
});

let project: string;

/** Adds a line after the one that contains `anchor`. */
const addLine = async (file: string, anchor: string, line: string): Promise<void> => {
  const path = join(project, file);
  const lines = (await readFile(path, "utf8")).split("\n");
  const at = lines.findIndex((each) => each.includes(anchor));
  if (at === -1) throw new Error(`${file} has no line with ${anchor}`);
  await writeFile(path, lines.toSpliced(at + 1, 0, line).join("\n"));
};

/** The project with an additional guard that blocks countries. */
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "breakwater-geo-block-"));
  for (const name of ["package.json", "tsconfig.json", "src"])
    await cp(join(projectFolder, name), join(project, name), { recursive: true });
  await symlink(join(projectFolder, "node_modules"), join(project, "node_modules"));

  await cp(join(projectFolder, "test/fixtures/geo-block"), join(project, "src/middleware/geo-block"), {
    recursive: true,
  });
  const guards = "src/middleware/guards.ts";
  await addLine(guards, "import type { GuardConfig }", 'import { geoBlock } from "./geo-block/index.ts";');
  await addLine(guards, ".use(blocklist(", "    .use(geoBlock(config.BLOCKED_COUNTRIES))");
  await addLine(
    "src/middleware/config.ts",
    "GUARD_VARIABLES = {",
    '  BLOCKED_COUNTRIES: v.optional(v.list("codes such as NZ", (part) => (/^[A-Z]{2}$/.test(part) ? part : undefined))),',
  );
}, 30_000);
afterAll(() => rm(project, { recursive: true, force: true }));

test("a new guard compiles in both tiers", { timeout: 120_000 }, async () => {
  const tsc = join(projectFolder, "node_modules/.bin/tsc");
  const { stdout } = await execute(tsc, ["-b", "src/edge", "src/origin"], { cwd: project }).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe("");
});

describe("an edge with the new guard", () => {
  let edge: LocalEdge;
  let origin: Upstream;
  let collector: Collector;

  beforeAll(async () => {
    const bundle = await bundleEdgeWithRoutes({ routes: edgeRoutes({ page }), folder: project, project });
    [origin, collector] = await Promise.all([startUpstream(), startCollector()]);
    edge = await startEdge({
      bundle,
      port: 0,
      environment: {
        ORIGINS: origin.url,
        SIGNING_KEYS: `k:${"A".repeat(43)}=`,
        UPSTASH_REDIS_REST_URL: "http://127.0.0.1:9",
        UPSTASH_REDIS_REST_TOKEN: "token",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_TRACES_SAMPLER_ARG: "0.5",
        OTEL_METRIC_EXPORT_INTERVAL: "1000",
        BLOCKED_COUNTRIES: "AQ, BV",
      },
    });
  }, 60_000);
  afterAll(async () => {
    await Promise.all([edge?.stop(), origin?.stop(), collector?.stop()]);
  });

  let rejected = 0;
  const send = async (country?: string, path = "/page"): Promise<Response> => {
    const headers = { "x-local-client": "192.0.2.1", ...(country && { "cf-ipcountry": country }) };
    const response = await fetch(`${edge.url}${path}`, { headers });
    if (response.status === 403) rejected += 1;
    return response;
  };
  const arrivals = (path: string) => origin.arrived.filter(({ url }) => url.endsWith(path)).length;
  /** The value of a counter's series, as the collector has it. */
  const rejections = (guard: string): number | undefined => {
    const { series } = metric(collector.metrics.text(), "guard_refusals_total");
    const found = series.find((line) => line.includes(`guard="${guard}"`));
    return found === undefined ? undefined : Number(found.split(" ").at(-1));
  };

  test("rejects requests from a blocked country with 403, before they cost an origin anything", async () => {
    for (const country of ["AQ", "BV"]) {
      const response = await send(country);
      expect(response.status).toBe(403);
      expect(await problemOf(response)).toMatchObject({
        code: "forbidden",
        detail: "Not available in this country.",
      });
    }
    expect(arrivals("/page")).toBe(0);
  });

  test.each(["NZ", undefined])("passes requests from %s", async (country) => {
    const before = arrivals("/page");
    expect((await send(country)).status).toBe(200);
    expect(arrivals("/page")).toBe(before + 1);
  });

  /** Sends requests that pass until this holds: telemetry and events are exported after responses. */
  const until = (holds: () => boolean) =>
    expect
      .poll(
        async () => {
          expect((await send("NZ")).status).toBe(200);
          return holds();
        },
        { timeout: 10_000, interval: 200 },
      )
      .toBe(true);
  const rejectionsAreCounted = (): boolean => rejections("geo-block") === rejected;

  test("names the guard in the metrics and spans of what it rejected", async () => {
    await send("AQ");
    const guardsOfSpans = (): unknown[] =>
      collector.spans().flatMap(({ attributes }) => attributes["breakwater.guard"] ?? []);
    await until(() => {
      void send("AQ");
      return guardsOfSpans().length > 0;
    });
    await until(rejectionsAreCounted);
    expect(rejections("blocklist")).toBe(0);
    expect(new Set(guardsOfSpans())).toEqual(new Set(["geo-block"]));
  });

  test("records its own span within the request's trace, and nothing where the request is not sampled", async () => {
    const own = () => collector.spans().filter(({ name }) => name === "look up country");
    const servers = () => collector.spans().filter(({ kind }) => kind === "server");
    await until(() => own().length > 5);
    for (const { traceId, parentSpanId } of own())
      await expect
        .poll(
          () => servers().filter((each) => each.traceId === traceId && each.spanId === parentSpanId).length,
        )
        .toBe(1);
    expect(new Set(own().map(({ traceId }) => traceId)).size).toBe(own().length);
  });

  test("counts with its own counter, sampled or not", async () => {
    const counted = (): number =>
      metric(collector.metrics.text(), "geo_block_lookups_total")
        .series.map((line) => Number(line.split(" ").at(-1)))
        .reduce((sum, value) => sum + value, 0);
    await until(() => counted() > 0);
    const before = counted();
    for (let turn = 0; turn < 20; turn += 1) await send("NZ");
    await expect.poll(counted, { timeout: 15_000 }).toBeGreaterThanOrEqual(before + 20);
  });

  test("does not count rejections toward blocking the client", async () => {
    for (let turn = 0; turn < 50; turn += 1) expect((await send("AQ")).status).toBe(403);
    // Metrics take a second, security events half of one.
    await until(rejectionsAreCounted);
    expect(arrivals("/events")).toBe(0);
    await send("NZ", "/.env");
    await until(() => arrivals("/events") === 1);
  });
});
