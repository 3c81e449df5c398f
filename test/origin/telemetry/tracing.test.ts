/** The export of spans to a collector, over real HTTP. */

import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  STATUS_CODES,
} from "node:http";
import { context, trace } from "@opentelemetry/api";
import { afterEach, describe, expect, test } from "vitest";
import { MAX_WAITING, rootTrace, startTracing } from "../../../src/origin/telemetry/tracing.ts";
import { isLong } from "../../support/runtime.ts";

const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const NAME = "GET /products/:id";

interface Taken {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly resource: unknown;
  readonly spans: readonly { readonly name: string }[];
}

const servers: Server[] = [];
const started: ReturnType<typeof startTracing>[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await Promise.all(started.splice(0).map((tracing) => tracing.shutdown()));
});

const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end("{}");

/** @param answers to one request after the other, once it is there as a whole; the last one to all that follow */
const collector = async (...answers: RequestListener[]) => {
  const taken: Taken[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      const { resourceSpans } = JSON.parse(text);
      const [{ resource, scopeSpans }] = resourceSpans;
      taken.push({ url: request.url, headers: request.headers, resource, spans: scopeSpans[0].spans });
      const answer = answers[taken.length - 1] ?? answers.at(-1) ?? answering(200);
      answer(request, response);
    });
  });
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const url = `http://127.0.0.1:${address.port}/v1/traces`;
  return { url, taken, spans: () => taken.flatMap(({ spans }) => spans) };
};

const start = (url: string) => {
  const said: string[] = [];
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
      failed: (error) => void said.push(error instanceof Error ? error.message : String(error)),
      succeeded: () => void said.push("succeeded"),
    },
  });
  started.push(tracing);
  const tracer = trace.getTracer("test");
  const add = (many: number): void => {
    for (let each = 0; each < many; each += 1)
      context.with(rootTrace(TRACE_ID), () => tracer.startSpan(NAME)).end();
  };
  return { tracing, counts, said, add };
};

describe("a collector", () => {
  test("is sent JSON, at its address, with what it knows the origin by", async () => {
    const { url, taken } = await collector();
    const { tracing, add, counts, said } = start(url);
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
    expect(said).toEqual(["succeeded"]);
  });

  test("is sent what there is soon after, without a word from anybody, and all of it at once", async () => {
    const { url, taken } = await collector();
    start(url).add(3);
    await expect.poll(() => taken.map(({ spans }) => spans.length), { timeout: 10_000 }).toEqual([3]);
  });

  test("is sent a whole batch at once, and the rest later", async () => {
    const { url, taken } = await collector();
    const { tracing, add } = start(url);
    add(513);
    await expect.poll(() => taken.length).toBe(1);
    await tracing.shutdown();
    expect(taken.map(({ spans }) => spans.length)).toEqual([512, 1]);
  });

  test.each(
    isLong ? [429, 502, 503, 504] : [503],
  )("that answers %i is sent the same once more", async (status) => {
    const { url, taken } = await collector(answering(status), answering(200));
    const { counts, add } = start(url);
    add(512);
    await expect.poll(() => counts, { timeout: 10_000 }).toEqual({ "exported traces": 512 });
    expect(taken.map(({ spans }) => spans.length)).toEqual([512, 512]);
  });

  test.each([400, 401, 413, 500])("that answers %i costs spans, which are counted", async (status) => {
    const { url, taken } = await collector(answering(status));
    const { counts, said, add } = start(url);
    add(512);
    await expect.poll(() => counts).toEqual({ "dropped traces export_failed": 512 });
    expect(taken).toHaveLength(1);
    expect(said).toEqual([STATUS_CODES[status]]);
  });

  test("that redirects costs spans, which go nowhere else", async () => {
    const other = await collector();
    const { url } = await collector(answering(307, { location: other.url }));
    const { tracing, counts, add } = start(url);
    add(1);
    await tracing.shutdown();
    expect(other.taken).toEqual([]);
    expect(counts).toEqual({ "dropped traces export_failed": 1 });
  });

  test("that hangs lets so many spans wait and no more; the others are counted at once", async () => {
    const { url } = await collector(() => undefined);
    const { counts, add } = start(url);
    add(MAX_WAITING + 904);
    expect(counts).toEqual({ "dropped traces queue_full": 904 });
  });

  test("finds room again for others once what is on its way has been taken", async () => {
    const { url } = await collector();
    const { tracing, counts, add } = start(url);
    add(MAX_WAITING + 1);
    await expect.poll(() => counts["exported traces"]).toBe(MAX_WAITING);
    add(1);
    await tracing.shutdown();
    expect(counts).toEqual({ "dropped traces queue_full": 1, "exported traces": MAX_WAITING + 1 });
  });

  test.runIf(isLong)("that is away costs spans, which are counted, after some more tries", async () => {
    const { counts, add } = start("http://127.0.0.1:9/v1/traces");
    add(3);
    await expect.poll(() => counts, { timeout: 20_000 }).toEqual({ "dropped traces export_failed": 3 });
  });

  test.runIf(isLong)("that hangs is not waited for longer than five seconds", async () => {
    const { url, taken } = await collector(() => undefined);
    const { counts, add } = start(url);
    add(512);
    await expect.poll(() => counts, { timeout: 20_000 }).toEqual({ "dropped traces export_failed": 512 });
    expect(taken).toHaveLength(1);
  });
});

describe("the end of a process", () => {
  test("sends the last spans, however many there are", async () => {
    const { url, spans } = await collector();
    const { tracing, add } = start(url);
    add(3_000);
    await tracing.shutdown();
    expect(spans()).toHaveLength(3_000);
  });

  test("waits until it is known of every span what has become of it", async () => {
    const { url } = await collector(
      (request, response) => void setTimeout(answering(200), 300, request, response),
    );
    const { tracing, counts, add } = start(url);
    add(3_000);
    await tracing.shutdown();
    expect(counts).toEqual({ "exported traces": 3_000 });
  });

  test.runIf(isLong)("waits for further attempts at most as long as a batch may take", async () => {
    const { url, taken } = await collector(answering(503));
    const { tracing, counts, add } = start(url);
    add(512);
    await expect.poll(() => taken.length).toBe(1);
    await tracing.shutdown();
    expect(taken.length).toBeLessThanOrEqual(4);
    expect(counts).toEqual({ "dropped traces export_failed": 512 });
  });

  test.runIf(isLong)("costs the spans that a collector which is away does not take", async () => {
    const { tracing, counts, add } = start("http://127.0.0.1:9/v1/traces");
    add(3);
    await tracing.shutdown();
    expect(counts).toEqual({ "dropped traces export_failed": 3 });
  });

  test("may happen twice", async () => {
    const { url, spans } = await collector();
    const { tracing, add } = start(url);
    add(1);
    await Promise.all([tracing.shutdown(), tracing.shutdown()]);
    expect(spans()).toHaveLength(1);
  });

  test("has a span counted that comes too late", async () => {
    const { url } = await collector();
    const { tracing, counts } = start(url);
    const late = context.with(rootTrace(TRACE_ID), () => trace.getTracer("test").startSpan(NAME));
    await tracing.shutdown();
    late.end();
    expect(counts).toEqual({ "dropped traces export_failed": 1 });
  });
});
