/** The export of spans to a collector, over real HTTP. */
import { type IncomingHttpHeaders, type RequestListener, STATUS_CODES } from "node:http";
import { text } from "node:stream/consumers";
import { context, trace } from "@opentelemetry/api";
import { afterEach, describe, expect, test } from "vitest";
import { MAX_WAITING, rootTrace, startTracing } from "../../../src/origin/telemetry/tracing.ts";
import { serve, type TestServer } from "../../support/listen.ts";
import { isLong } from "../../support/runtime.ts";

const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const NAME = "GET /products/:id";

interface Export {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly resource: unknown;
  readonly spans: readonly { readonly name: string }[];
}

const servers: TestServer[] = [];
const started: ReturnType<typeof startTracing>[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await Promise.all(started.splice(0).map((tracing) => tracing.shutdown()));
});

const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end("{}");

/** @param answers to one complete request after the other; the last one to all that follow */
const collector = async (...answers: RequestListener[]) => {
  const taken: Export[] = [];
  const server = await serve(async (request, response) => {
    const { resourceSpans } = JSON.parse(await text(request));
    const [{ resource, scopeSpans }] = resourceSpans;
    taken.push({ url: request.url, headers: request.headers, resource, spans: scopeSpans[0].spans });
    const answer = answers[taken.length - 1] ?? answers.at(-1) ?? answering(200);
    answer(request, response);
  });
  servers.push(server);
  return { url: `${server.url}/v1/traces`, taken, spans: () => taken.flatMap(({ spans }) => spans) };
};

const start = (url: string) => {
  const transitions: string[] = [];
  const counts: Record<string, number> = {};
  const count = (name: string, by: number): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  const tracing = startTracing({
    target: { url, headers: { authorization: "Bearer secret" } },
    resource: { "service.name": "test-origin" },
    counts: {
      exported: (signal, by) => count(`exported ${signal}`, by),
      dropped: (signal, reason, by) => count(`dropped ${signal} ${reason}`, by),
    },
    transitions: {
      failed: (error) => void transitions.push(error instanceof Error ? error.message : String(error)),
      succeeded: () => void transitions.push("succeeded"),
    },
  });
  started.push(tracing);
  const tracer = trace.getTracer("test");
  const add = (many: number): void => {
    for (let each = 0; each < many; each += 1)
      context.with(rootTrace(TRACE_ID), () => tracer.startSpan(NAME)).end();
  };
  return { tracing, counts, transitions, add };
};

describe("a collector", () => {
  test("receives JSON at its address, with its token and the origin's resource", async () => {
    const { url, taken } = await collector();
    const { tracing, add, counts, transitions } = start(url);
    add(1);
    await tracing.shutdown();
    expect(taken).toMatchObject([
      {
        url: "/v1/traces",
        headers: { "content-type": "application/json", authorization: "Bearer secret" },
        resource: { attributes: [{ key: "service.name", value: { stringValue: "test-origin" } }] },
        spans: [{ name: NAME }],
      },
    ]);
    expect(counts).toEqual({ "exported traces": 1 });
    expect(transitions).toEqual(["succeeded"]);
  });

  test("receives the spans soon, without a flush, and all of them at once", async () => {
    const { url, taken } = await collector();
    start(url).add(3);
    await expect.poll(() => taken.map(({ spans }) => spans.length), { timeout: 10_000 }).toEqual([3]);
  });

  test("receives a full batch immediately, and the rest later", async () => {
    const { url, taken } = await collector();
    const { tracing, add } = start(url);
    add(513);
    await expect.poll(() => taken.length).toBe(1);
    await tracing.shutdown();
    expect(taken.map(({ spans }) => spans.length)).toEqual([512, 1]);
  });

  test.each(
    isLong ? [429, 502, 503, 504] : [503],
  )("that responds %i receives the same batch again", async (status) => {
    const { url, taken } = await collector(answering(status), answering(200));
    const { counts, add } = start(url);
    add(512);
    await expect.poll(() => counts, { timeout: 10_000 }).toEqual({ "exported traces": 512 });
    expect(taken.map(({ spans }) => spans.length)).toEqual([512, 512]);
  });

  test.each([400, 401, 413, 500])("that responds %i loses spans, which are counted", async (status) => {
    const { url, taken } = await collector(answering(status));
    const { counts, transitions, add } = start(url);
    add(512);
    await expect.poll(() => counts).toEqual({ "dropped traces export_failed": 512 });
    expect(taken).toHaveLength(1);
    expect(transitions).toEqual([STATUS_CODES[status]]);
  });

  test("that redirects loses spans, which go nowhere else", async () => {
    const other = await collector();
    const { url } = await collector(answering(307, { location: other.url }));
    const { tracing, counts, add } = start(url);
    add(1);
    await tracing.shutdown();
    expect(other.taken).toEqual([]);
    expect(counts).toEqual({ "dropped traces export_failed": 1 });
  });

  test("that hangs has a bounded queue; spans beyond it are counted as dropped", async () => {
    const { url } = await collector(() => undefined);
    const { counts, add } = start(url);
    add(MAX_WAITING + 904);
    expect(counts).toEqual({ "dropped traces queue_full": 904 });
  });

  test("receives further spans once those in flight have been accepted", async () => {
    const { url } = await collector();
    const { tracing, counts, add } = start(url);
    add(MAX_WAITING + 1);
    await expect.poll(() => counts["exported traces"]).toBe(MAX_WAITING);
    add(1);
    await tracing.shutdown();
    expect(counts).toEqual({ "dropped traces queue_full": 1, "exported traces": MAX_WAITING + 1 });
  });

  test.runIf(isLong)("that is down loses spans, which are counted, after retries", async () => {
    const { counts, add } = start("http://127.0.0.1:9/v1/traces");
    add(3);
    await expect.poll(() => counts, { timeout: 20_000 }).toEqual({ "dropped traces export_failed": 3 });
  });

  test.runIf(isLong)("that hangs is awaited for at most five seconds", async () => {
    const { url, taken } = await collector(() => undefined);
    const { counts, add } = start(url);
    add(512);
    await expect.poll(() => counts, { timeout: 20_000 }).toEqual({ "dropped traces export_failed": 512 });
    expect(taken).toHaveLength(1);
  });
});

describe("the end of a process", () => {
  test("exports all remaining spans, and waits for the outcome", async () => {
    const { url, spans } = await collector(
      (request, response) => void setTimeout(answering(200), 300, request, response),
    );
    const { tracing, counts, add } = start(url);
    add(3_000);
    await tracing.shutdown();
    expect(spans()).toHaveLength(3_000);
    expect(counts).toEqual({ "exported traces": 3_000 });
  });

  test.runIf(isLong)("waits for retries at most as long as for one batch", async () => {
    const { url, taken } = await collector(answering(503));
    const { tracing, counts, add } = start(url);
    add(512);
    await expect.poll(() => taken.length).toBe(1);
    await tracing.shutdown();
    expect(taken.length).toBeLessThanOrEqual(4);
    expect(counts).toEqual({ "dropped traces export_failed": 512 });
  });

  test("may happen twice", async () => {
    const { url, spans } = await collector();
    const { tracing, add } = start(url);
    add(1);
    await Promise.all([tracing.shutdown(), tracing.shutdown()]);
    expect(spans()).toHaveLength(1);
  });

  test("counts a span that ends later as dropped", async () => {
    const { url } = await collector();
    const { tracing, counts } = start(url);
    const late = context.with(rootTrace(TRACE_ID), () => trace.getTracer("test").startSpan(NAME));
    await tracing.shutdown();
    late.end();
    expect(counts).toEqual({ "dropped traces export_failed": 1 });
  });
});
