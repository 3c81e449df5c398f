/**
 * Whatever a client sends: of its own trace ids, tokens, queries and paths nothing is in spans, in lines of the log or in
 * labels of metrics, and none of them grows with how many different ones there are.
 */
import { randomBytes } from "node:crypto";
import { Agent } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { metric, sendOn } from "../support/backing.ts";
import { type Collector, startCollector } from "../support/collector.ts";
import { isLong } from "../support/runtime.ts";
import { type System, startSystem } from "../support/system.ts";

/** A hundred thousand take minutes where other tests run beside them. */
const PATHS = isLong ? 100_000 : 2_000;
const TIMEOUT_MS = isLong ? 1_200_000 : 120_000;
const AT_ONCE = 32;
const MAX_LINE_BYTES = 16_384;

let collector: Collector;
let system: System;
/** Without an edge before it. */
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

/** What must be found nowhere, by what it was sent as. */
const planted = new Map<string, string>();
const plant = (as: string, value: string): string => {
  planted.set(as, value);
  return value;
};
const hex = (digits: number): string => randomBytes(digits / 2).toString("hex");
const word = (): string => `planted${hex(20)}`;
const SECRET_LENGTH = 43;

const hostileFields = (): Record<string, string> => {
  const parent = plant("traceparent, the span", hex(16));
  const trace = plant("traceparent, the trace", hex(32));
  return {
    traceparent: `00-${trace}-${parent}-01`,
    tracestate: `${plant("tracestate, the name", `v${hex(10)}`)}=${plant("tracestate", word())}`,
    baggage: `userId=${plant("baggage", word())},token=${plant("baggage, a token", word())}`,
    b3: `${plant("b3, the trace", hex(32))}-${plant("b3, the span", hex(16))}-1`,
    "x-b3-traceid": plant("x-b3-traceid", hex(32)),
    "uber-trace-id": `${plant("uber-trace-id", hex(32))}:${hex(16)}:0:1`,
    "x-amzn-trace-id": `Root=1-${plant("x-amzn-trace-id", hex(24))}`,
    "x-request-id": plant("x-request-id", crypto.randomUUID()),
    "x-correlation-id": plant("x-correlation-id", word()),
    "breakwater-context":
      `client="${plant("the context's client", "203.0.113.77")}", auth=api-key, ` +
      `principal="${plant("the context's principal", word())}", scopes="", timeout-ms=1, attempt=1, ` +
      `span="${plant("the context's span", hex(16))}"`,
    "user-agent": plant("user-agent", word()),
    referer: `https://shop.example/?session=${plant("referer", word())}`,
    cookie: `session=${plant("cookie", word())}`,
    "x-api-key": plant("x-api-key", word()),
    "proxy-authorization": `Basic ${plant("proxy-authorization", word())}`,
  };
};

const jwt = (): string =>
  [
    { alg: "RS256", kid: word() },
    { sub: word(), exp: 4_102_444_800 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .concat(randomBytes(32).toString("base64url"))
    .join(".");

/** Everything that anybody keeps: what was sent to the collector, what was logged, what Prometheus reads. */
const told = async (): Promise<Map<string, string>> => {
  const metrics = (url = ""): Promise<string> => fetch(`${url}/metrics`).then((answer) => answer.text());
  return new Map([
    ["what the collector got", collector.bodies.join("\n")],
    ["the edge's log", system.edgeLogLines.join("\n")],
    ["the origins' log", system.logLines.join("\n")],
    ["the origin's metrics", await metrics(system.origins[0]?.adminUrl)],
    ["the other origin's metrics", await metrics(alone.adminUrl)],
  ]);
};

const expectNothingPlanted = async (): Promise<void> => {
  const found = [...(await told())].flatMap(([where, text]) =>
    [...planted].flatMap(([as, value]) => (text.includes(value) ? [`${as} in ${where}`] : [])),
  );
  expect(found).toEqual([]);
};

/** Until all that was told of requests so far has been sent on: both tiers send what they have in its order. */
const allTold = async (): Promise<void> => {
  const edge = await system.call("/v1/orders", { key });
  const origin = await fetch(`${alone.url}/v1/orders`, { headers: { authorization: `Bearer ${key}` } });
  const ids = [edge, origin].map(({ headers }) => headers.get("x-request-id") ?? "");
  await expect
    .poll(() => ids.filter((id) => collector.traces.get(id.replaceAll("-", ""))?.spans[0] === undefined), {
      timeout: 20_000,
    })
    .toEqual([]);
  await expect
    .poll(() =>
      ids.filter((id) => ![...system.edgeLogLines, ...system.logLines].some((line) => line.includes(id))),
    )
    .toEqual([]);
};

/** Asks the edge, and the origin that is alone. */
const askBoth = async (
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<number[]> => {
  const answers = await Promise.all([
    system.call(path, { headers, method }),
    fetch(`${alone.url}${path}`, { headers, method, redirect: "manual" }),
  ]);
  await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  return answers.map(({ status }) => status);
};

describe("of what a client says", () => {
  test("of traces nothing is taken over: neither an id, nor a state, nor baggage", async () => {
    for (const path of [
      "/v1/orders",
      `/v1/products/${sampleProductId(1)}`,
      "/v1/products?limit=9",
      "/no-such",
    ]) {
      await askBoth(path, { ...hostileFields(), authorization: `Bearer ${key}` });
    }
    await allTold();
    await expectNothingPlanted();
    const ids = new Set(planted.values());
    const spans = collector.spans();
    expect(spans.length).toBeGreaterThan(0);
    const own = ({ traceId, spanId, parentSpanId }: (typeof spans)[number]) => [
      traceId,
      spanId,
      parentSpanId,
    ];
    expect(spans.flatMap(own).filter((id) => id !== undefined && ids.has(id))).toEqual([]);
  });

  test("as its credentials nothing is told but the public part of a key", async () => {
    plant("a valid key's secret", key.slice(-SECRET_LENGTH));
    const secret = (as: string): string =>
      plant(as, randomBytes(64).toString("base64url").slice(0, SECRET_LENGTH));
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
      plant("credentials without a scheme", word()),
    ]) {
      await askBoth("/v1/orders", { authorization });
      await askBoth("/v1/orders", { authorization, "x-breakwater-explain": authorization });
    }
    await allTold();
    await expectNothingPlanted();
  });

  test("in a query nothing is told, whatever it holds", async () => {
    const query = new URLSearchParams({
      api_key: key,
      access_token: jwt(),
      q: plant("what is searched for", word()),
      cursor: plant("a cursor", word()),
      [plant("the name of a parameter", word())]: "1",
      password: plant("a password", word()),
    });
    for (const path of ["/v1/products", "/v1/orders", "/docs", "/no-such"]) {
      await askBoth(`${path}?${query}`, { authorization: `Bearer ${key}` });
    }
    const sought = plant("what is searched for by a query that a route takes", word());
    expect(await askBoth(`/v1/products?q=${sought}`)).toEqual([200, 200]);
    await allTold();
    await expectNothingPlanted();
  });

  test("in a path nothing is told, whether a route has it or not", async () => {
    const [screened, part] = [plant("a path that is screened", word()), plant("a part of a path", word())];
    for (const path of [
      `/${plant("a path", word())}`,
      `/v1/products/${part}`,
      `/v1/orders/${part}`,
      `/v1/products/${part}/${part}`,
      `/.env.${screened}`,
      `/wp-admin/${screened}.php`,
      `/v1/products/..%2f${screened}`,
      `/v1/products/%00${screened}`,
      `/v1/${"x".repeat(3_000)}${screened}`,
    ]) {
      for (const method of ["GET", "POST", "PROPFIND"]) {
        // Who offends is blocked after a time.
        const client = `198.51.100.${Math.floor(Math.random() * 250) + 1}`;
        await askBoth(path, { "x-local-client": client }, method);
      }
    }
    await allTold();
    await expectNothingPlanted();
  });
});

test("of what no edge has signed an origin tells nothing either", async () => {
  const path = `/v1/products/${plant("a path that nobody has signed", word())}`;
  for (const headers of [hostileFields(), { ...hostileFields(), authorization: `Bearer ${key}` }]) {
    const answer = await fetch(`${system.origins[0]?.url}${path}?token=${key}`, { headers });
    expect(answer.status).toBe(401);
  }
  await allTold();
  await expectNothingPlanted();
});

/** How many series a Prometheus text holds; a histogram counts as one. */
const seriesOf = (text: string): number =>
  text.split("\n").filter((line) => /^[a-z]/.test(line) && !/^\w+_(?:bucket|sum)[{ ]/.test(line)).length;

/** As often as asked, so many at a time, each by the number of its turn. */
const flood = async (count: number, ask: (turn: number) => Promise<void>): Promise<void> => {
  let turn = 0;
  const work = async (): Promise<void> => {
    while (turn < count) {
      turn += 1;
      await ask(turn);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
};

describe(`${PATHS} different paths`, () => {
  const base = word();
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  afterAll(() => agent.destroy());

  /** Of ten one has a route, and comes to an origin. */
  const ask = async (turn: number): Promise<void> => {
    const id = crypto.randomUUID();
    const path = turn % 10 === 0 ? `/v1/products/${id}` : `/${base}/${turn}/${id}?token=${base}`;
    const { status } = await sendOn(agent, `${system.edgeUrl}${path}`, {
      headers: {
        // Nobody offends so often as to be blocked.
        "x-local-client": `198.18.0.${turn % 250}`,
        traceparent: `00-${hex(32)}-${hex(16)}-01`,
      },
    });
    expect(status).toBe(404);
  };
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
    "make neither more series nor more names of spans, and are counted as what they are",
    async () => {
      plant("the paths' own part", base);
      await flood(200, ask);
      await allTold();
      const counted = unmatched();
      const before = await counts();
      await flood(PATHS, ask);
      await expect
        .poll(() => unmatched() - counted, { timeout: 30_000, interval: 100 })
        .toBe(PATHS - Math.floor(PATHS / 10));
      await allTold();
      const after = await counts();
      // Some statement may have been slow, or some dependency away, for the first time.
      for (const each of ["origin", "edge", "names"] as const)
        expect(after[each] - before[each]).toBeLessThan(30);
      await expectNothingPlanted();
    },
    TIMEOUT_MS,
  );

  test("leave spans of which every name and route is known beforehand", () => {
    const routes = new Set<unknown>(Object.values(contract).map(({ path }) => path));
    const spans = collector.spans();
    const own = /^\/_edge\/(keys\/:id|blocklist|events)$/;
    const strange = spans
      .map(({ attributes }) => attributes["http.route"])
      .filter((route) => route !== undefined && !routes.has(route) && !own.test(String(route)));
    expect([...new Set(strange)]).toEqual([]);
    const isKnown = (name: string): boolean => {
      const [first = "", second, ...more] = name.split(" ");
      if (!/^(?:[A-Z]+|_OTHER)$/.test(first) || more.length > 0) return false;
      return second === undefined || routes.has(second) || own.test(second) || /^[a-z_]+$/.test(second);
    };
    expect([...new Set(spans.map(({ name }) => name))].filter((name) => !isKnown(name))).toEqual([]);
  });
});

test("every line of both tiers is JSON, one a line, with its time, level and service, and fits into 16 KiB", () => {
  const lines = [...system.edgeLogLines, ...system.logLines];
  expect(lines.length).toBeGreaterThan(PATHS);
  const wrong = lines.filter((line) => {
    if (Buffer.byteLength(line) > MAX_LINE_BYTES) return true;
    try {
      const entry: unknown = JSON.parse(line);
      return typeof entry !== "object" || entry === null || !("time" in entry && "level" in entry);
    } catch {
      return true;
    }
  });
  expect(wrong.slice(0, 5)).toEqual([]);
});
