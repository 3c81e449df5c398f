/**
 * Neither spans, log lines nor labels of metrics contain a client's trace ids, credentials, queries or paths, and none of
 * them grows with the number of different ones.
 */
import { randomBytes } from "node:crypto";
import { Agent } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { contract } from "../../src/contract/contract.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { metric, sendOn } from "../support/backing.ts";
import { type Collector, startCollector } from "../support/collector.ts";
import { inParallel } from "../support/load.ts";
import { isLong } from "../support/runtime.ts";
import { call, type System, startSystem } from "../support/system.ts";
import { traceIdOfAnswer } from "../support/traces.ts";

/** A hundred thousand take minutes beside other tests. */
const PATHS = isLong ? 100_000 : 2_000;
const TIMEOUT_MS = isLong ? 1_200_000 : 120_000;
const AT_ONCE = 32;
const MAX_LINE_BYTES = 16_384;

let collector: Collector;
let system: System;
/** Without an edge. */
let alone: LocalOrigin;
let key: string;

beforeAll(async () => {
  collector = await startCollector();
  system = await startSystem({ collectorUrl: collector.url });
  alone = await system.startOrigin({ GUARDS: "origin", OTEL_TRACES_SAMPLER_ARG: "1" });
  key = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  await collector?.stop();
});

/** Values that must appear nowhere, by their description. */
const planted = new Map<string, string>();
const plant = (as: string, value = word()): string => {
  planted.set(as, value);
  return value;
};
const hex = (digits: number): string => randomBytes(digits / 2).toString("hex");
const word = (): string => `planted${hex(20)}`;
const SECRET_LENGTH = 43;

const hostileFields = (): Record<string, string> => ({
  traceparent: `00-${plant("traceparent, the trace", hex(32))}-${plant("traceparent, the span", hex(16))}-01`,
  tracestate: `${plant("tracestate, the name", `v${hex(10)}`)}=${plant("tracestate")}`,
  baggage: `userId=${plant("baggage")},token=${plant("baggage, a token")}`,
  b3: `${plant("b3, the trace", hex(32))}-${plant("b3, the span", hex(16))}-1`,
  "x-b3-traceid": plant("x-b3-traceid", hex(32)),
  "uber-trace-id": `${plant("uber-trace-id", hex(32))}:${hex(16)}:0:1`,
  "x-amzn-trace-id": `Root=1-${plant("x-amzn-trace-id", hex(24))}`,
  "x-request-id": plant("x-request-id", crypto.randomUUID()),
  "x-correlation-id": plant("x-correlation-id"),
  "breakwater-context":
    `client="${plant("the context's client", "203.0.113.77")}", auth=api-key, ` +
    `principal="${plant("the context's principal")}", scopes="", timeout-ms=1, attempt=1, ` +
    `span="${plant("the context's span", hex(16))}"`,
  "user-agent": plant("user-agent"),
  referer: `https://shop.example/?session=${plant("referer")}`,
  cookie: `session=${plant("cookie")}`,
  "x-api-key": plant("x-api-key"),
  "proxy-authorization": `Basic ${plant("proxy-authorization")}`,
});

const jwt = (): string =>
  [
    { alg: "RS256", kid: word() },
    { sub: word(), exp: 4_102_444_800 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .concat(randomBytes(32).toString("base64url"))
    .join(".");

/** All telemetry of both tiers. */
const recorded = async (): Promise<Map<string, string>> => {
  const metrics = (url = ""): Promise<string> => fetch(`${url}/metrics`).then((answer) => answer.text());
  return new Map([
    ["the collector", collector.bodies.join("\n")],
    ["the edge's log", system.edgeLogLines.join("\n")],
    ["the origins' log", system.logLines.join("\n")],
    ["the origin's metrics", await metrics(system.origins[0]?.adminUrl)],
    ["the other origin's metrics", await metrics(alone.adminUrl)],
  ]);
};

/** Waits until the telemetry of all earlier requests has arrived: both tiers send it in order. */
const allArrived = async (): Promise<void> => {
  const answers = await Promise.all(
    [system.edgeUrl, alone.url].map((url) => call(url, "/v1/orders", { key })),
  );
  const traceIds = answers.map(traceIdOfAnswer);
  await expect
    .poll(() => traceIds.filter((id) => collector.traces.get(id)?.spans[0] === undefined), {
      timeout: 20_000,
    })
    .toEqual([]);
  const isLogged = (id: string): boolean =>
    [...system.edgeLogLines, ...system.logLines].some((line) => line.includes(id));
  await expect.poll(() => traceIds.filter((id) => !isLogged(id))).toEqual([]);
};

const expectNothingPlanted = async (): Promise<void> => {
  await allArrived();
  const found = [...(await recorded())].flatMap(([where, text]) =>
    [...planted].flatMap(([as, value]) => (text.includes(value) ? [`${as} in ${where}`] : [])),
  );
  expect(found).toEqual([]);
};

/** Sends a request to the edge, and to the origin without one. */
const callBoth = async (
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<number[]> => {
  const answers = await Promise.all(
    [system.edgeUrl, alone.url].map((url) => call(url, path, { headers, method })),
  );
  await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  return answers.map(({ status }) => status);
};

describe("telemetry contains no part of a client's", () => {
  test("trace context: neither ids, state nor baggage", async () => {
    for (const path of [
      "/v1/orders",
      `/v1/products/${sampleProductId(1)}`,
      "/v1/products?limit=9",
      "/no-such",
    ])
      await callBoth(path, { ...hostileFields(), authorization: `Bearer ${key}` });
    await expectNothingPlanted();
    const foreign = new Set(planted.values());
    const ids = collector
      .spans()
      .flatMap(({ traceId, spanId, parentSpanId }) => [traceId, spanId, parentSpanId ?? ""]);
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.filter((id) => foreign.has(id))).toEqual([]);
  });

  test("credentials, except for the public part of a key", async () => {
    plant("a valid key's secret", key.slice(-SECRET_LENGTH));
    const secret = (as: string): string => plant(as, randomBytes(32).toString("base64url"));
    const forged = `${key.slice(0, -SECRET_LENGTH)}${secret("another secret of a key")}`;
    const unknown = `bwk_${"a".repeat(12)}_${secret("the secret of an unknown key")}`;
    const token = jwt();
    for (const [index, part] of token.split(".").entries()) plant(`part ${index + 1} of a JWT`, part);
    for (const authorization of [
      `Bearer ${key}`,
      `Bearer ${forged}`,
      `Bearer ${unknown}`,
      `Bearer ${token}`,
      `Basic ${plant("basic credentials", Buffer.from(`alice:${word()}`).toString("base64"))}`,
      plant("credentials without a scheme"),
    ]) {
      await callBoth("/v1/orders", { authorization });
      await callBoth("/v1/orders", { authorization, "x-breakwater-explain": authorization });
    }
    await expectNothingPlanted();
  });

  test("query", async () => {
    const query = new URLSearchParams({
      api_key: key,
      access_token: jwt(),
      q: plant("a search"),
      cursor: plant("a cursor"),
      [plant("the name of a parameter")]: "1",
      password: plant("a password"),
    });
    for (const path of ["/v1/products", "/v1/orders", "/docs", "/no-such"])
      await callBoth(`${path}?${query}`, { authorization: `Bearer ${key}` });
    expect(await callBoth(`/v1/products?q=${plant("a valid search")}`)).toEqual([200, 200]);
    await expectNothingPlanted();
  });

  test("path, known or unknown", async () => {
    const [screened, part] = [plant("a screened path"), plant("a part of a path")];
    for (const path of [
      `/${plant("a path")}`,
      `/v1/products/${part}`,
      `/v1/orders/${part}`,
      `/v1/products/${part}/${part}`,
      `/.env.${screened}`,
      `/wp-admin/${screened}.php`,
      `/v1/products/..%2f${screened}`,
      `/v1/products/%00${screened}`,
      `/v1/${"x".repeat(3_000)}${screened}`,
    ])
      for (const method of ["GET", "POST", "PROPFIND"]) {
        // Different clients, because repeat offenders are blocked.
        const client = `198.51.100.${Math.floor(Math.random() * 250) + 1}`;
        await callBoth(path, { "x-local-client": client }, method);
      }
    await expectNothingPlanted();
  });

  test("unsigned request to an origin", async () => {
    const path = `/v1/products/${plant("an unsigned path")}`;
    for (const headers of [hostileFields(), { ...hostileFields(), authorization: `Bearer ${key}` }]) {
      const answer = await fetch(`${system.origins[0]?.url}${path}?token=${key}`, { headers });
      expect(answer.status).toBe(401);
    }
    await expectNothingPlanted();
  });
});

/** The number of series in a Prometheus text; a histogram counts as one. */
const seriesOf = (text: string): number =>
  text.split("\n").filter((line) => /^[a-z]/.test(line) && !/^\w+_(?:bucket|sum)[{ ]/.test(line)).length;

describe(`${PATHS} different paths`, () => {
  const base = word();
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  afterAll(() => agent.destroy());

  /** Every tenth has a route, and reaches an origin. */
  const flood = (count: number): Promise<void> =>
    inParallel([...Array(count).keys()], AT_ONCE, async (turn) => {
      const id = crypto.randomUUID();
      const path = turn % 10 === 0 ? `/v1/products/${id}` : `/${base}/${turn}/${id}?token=${base}`;
      const headers = {
        // Each offends too rarely to be blocked.
        "x-local-client": `198.18.0.${turn % 250}`,
        traceparent: `00-${hex(32)}-${hex(16)}-01`,
      };
      expect((await sendOn(agent, `${system.edgeUrl}${path}`, { headers })).status).toBe(404);
    });
  const unmatched = (): number => {
    const { series } = metric(collector.metrics.text(), "http_server_request_duration_seconds_count");
    const labels = ['job="breakwater-edge"', 'http_response_status_code="404"'];
    return series
      .filter((line) => labels.every((label) => line.includes(label)) && !line.includes("http_route="))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  };
  const counts = async () => {
    const text = await fetch(`${system.origins[0]?.adminUrl}/metrics`).then((answer) => answer.text());
    const names = new Set(collector.spans().map(({ name }) => name));
    return { origin: seriesOf(text), edge: collector.metrics.size, names: names.size };
  };

  test(
    "add neither series nor span names, and are counted",
    async () => {
      plant("the paths' own part", base);
      await flood(200);
      await allArrived();
      const counted = unmatched();
      const before = await counts();
      await flood(PATHS);
      await expect
        .poll(() => unmatched() - counted, { timeout: 30_000, interval: 100 })
        .toBe(PATHS - Math.ceil(PATHS / 10));
      await allArrived();
      const after = await counts();
      // A first slow statement or lost dependency may add a few.
      for (const each of ["origin", "edge", "names"] as const)
        expect(after[each] - before[each]).toBeLessThan(30);
      await expectNothingPlanted();
    },
    TIMEOUT_MS,
  );

  test("leave only spans with known names and routes", () => {
    const routes = new Set<unknown>(Object.values(contract).map(({ path }) => path));
    const spans = collector.spans();
    const internal = /^\/_edge\/(keys\/:id|blocklist|events)$/;
    const isRoute = (route: unknown): boolean => routes.has(route) || internal.test(String(route));
    const found = spans.flatMap(({ attributes }) => attributes["http.route"] ?? []);
    expect(found.filter((route) => !isRoute(route))).toEqual([]);
    const isKnown = (name: string): boolean => {
      const [first = "", second, ...more] = name.split(" ");
      if (!/^(?:[A-Z]+|_OTHER)$/.test(first) || more.length > 0) return false;
      return second === undefined || isRoute(second) || /^[a-z_]+$/.test(second);
    };
    expect([...new Set(spans.map(({ name }) => name))].filter((name) => !isKnown(name))).toEqual([]);
  });
});

test("every log line of both tiers is one JSON object with time and level, of at most 16 KiB", () => {
  const lines = [...system.edgeLogLines, ...system.logLines];
  expect(lines.length).toBeGreaterThan(PATHS);
  const isValid = (line: string): boolean => {
    try {
      const entry: unknown = JSON.parse(line);
      return typeof entry === "object" && entry !== null && "time" in entry && "level" in entry;
    } catch {
      return false;
    }
  };
  const invalid = lines.filter((line) => Buffer.byteLength(line) > MAX_LINE_BYTES || !isValid(line));
  expect(invalid.slice(0, 5)).toEqual([]);
});
