import { context, SpanKind, trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  CircuitOpenError,
  DeadlineError,
  SaturatedError,
  StatementError,
  UnavailableError,
} from "../../../src/origin/db/errors.ts";
import type { DataOperation } from "../../../src/origin/db/instrument.ts";
import { createObserveData } from "../../../src/origin/telemetry/observe-data.ts";
import { rootTrace } from "../../../src/origin/telemetry/tracing.ts";
import { testMetrics } from "../../support/metrics.ts";
import { recordSpans } from "../../support/recorded-spans.ts";

const TRACE_ID = "0190a0b412344abc8def0123456789ab";

const SELECT: DataOperation = {
  system: "postgresql",
  operation: "SELECT",
  collection: "products",
  text: "SELECT name FROM products WHERE id = $1",
};
const HGET: DataOperation = { system: "redis", operation: "HGET" };

let metrics: ReturnType<typeof testMetrics>;
let recorded: ReturnType<typeof recordSpans>;

beforeEach(() => {
  metrics = testMetrics();
  recorded = recordSpans();
});
afterEach(() => recorded.stop());

const observing = () =>
  createObserveData(metrics.meter, (system) => (system === "postgresql" ? "half_open" : "closed"));

/** Runs the work below a sampled request's span. */
const sampled = (work: () => void): void => {
  const span = context.with(rootTrace(TRACE_ID), () => trace.getTracer("test").startSpan("GET /"));
  context.with(trace.setSpan(context.active(), span), work);
};

const linesOf = async (suffix: string): Promise<string[]> =>
  (await metrics.text())
    .split("\n")
    .filter((line) => line.startsWith(`db_client_operation_duration_seconds_${suffix}{`));

const refused = new StatementError(
  "INSERT INTO products VALUES ($1)",
  { code: "23505", message: "Key (name)=(secret) already exists.", constraint: undefined },
  undefined,
);

describe("an operation", () => {
  test("is measured in seconds, by system and name", async () => {
    const observe = observing();
    observe(SELECT)(undefined, 20);
    observe(SELECT)(undefined, 30);
    observe(HGET)(undefined, 2);
    expect(await linesOf("count")).toEqual([
      'db_client_operation_duration_seconds_count{db_system_name="postgresql",db_operation_name="SELECT"} 2',
      'db_client_operation_duration_seconds_count{db_system_name="redis",db_operation_name="HGET"} 1',
    ]);
    const [sum] = await linesOf("sum");
    expect(Number(sum?.split(" ").at(-1))).toBeCloseTo(0.05);
  });

  test("has the buckets that OpenTelemetry recommends", async () => {
    observing()(SELECT)(undefined, 20);
    const bounds = (await linesOf("bucket")).map((line) => /le="([^"]+)"/.exec(line)?.[1]);
    expect(bounds).toEqual(["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "10", "+Inf"]);
  });

  test("of a sampled request has a span, with its text and without its values", () => {
    sampled(() => observing()(SELECT)(undefined, 20));
    expect(recorded.spans()).toMatchObject([
      { name: "SELECT products", kind: SpanKind.CLIENT, traceId: TRACE_ID, isError: false },
    ]);
    expect(recorded.spans()[0]?.attributes).toEqual({
      "db.system.name": "postgresql",
      "db.operation.name": "SELECT",
      "db.collection.name": "products",
      "db.query.text": "SELECT name FROM products WHERE id = $1",
      "breakwater.breaker.state": "half_open",
    });
  });

  test("at Redis is named by its command alone", () => {
    sampled(() => observing()(HGET)(undefined, 2));
    const attributes = { "db.system.name": "redis", "breakwater.breaker.state": "closed" };
    expect(recorded.spans()).toMatchObject([{ name: "HGET", attributes }]);
  });

  test("has at most 1,000 characters of its text", () => {
    sampled(() => observing()({ ...SELECT, text: `SELECT ${"x".repeat(5_000)}` })(undefined, 1));
    expect(String(recorded.spans()[0]?.attributes["db.query.text"])).toHaveLength(1_000);
  });

  test("of a request that is not sampled is measured without a span", async () => {
    observing()(SELECT)(undefined, 20);
    expect(recorded.spans()).toEqual([]);
    expect(await linesOf("count")).toHaveLength(1);
  });
});

describe("an operation that fails", () => {
  test.each<[string, unknown]>([
    ["CircuitOpenError", new CircuitOpenError("database", 1)],
    ["SaturatedError", new SaturatedError("full")],
    ["UnavailableError", new UnavailableError("away")],
    ["DeadlineError", new DeadlineError("late")],
    ["StatementError", refused],
    ["_OTHER", new TypeError("from a driver")],
    ["_OTHER", "a thrown text"],
  ])("has the type %s in metrics and spans, of a closed set", async (type, error) => {
    sampled(() => observing()(SELECT)(error, 20));
    expect((await linesOf("count"))[0]).toContain(`error_type="${type}"`);
    expect(recorded.spans()).toMatchObject([{ isError: true, attributes: { "error.type": type } }]);
  });

  test("in PostgreSQL has its SQLSTATE, without the values in its message", () => {
    sampled(() => observing()(SELECT)(refused, 20));
    expect(recorded.spans()).toMatchObject([{ attributes: { "db.response.status_code": "23505" } }]);
    expect(JSON.stringify(recorded.spans())).not.toContain("secret");
  });
});
