/**
 * An isolate of the edge keeps nothing of answered requests. The Worker as deployed runs in workerd; the inspector reads its
 * heap after a full garbage collection.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { withTimeout } from "../../src/lib/async.ts";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { bundleEdge, type EdgeBundle } from "../../src/local/edge.ts";
import { freePort } from "../../src/local/free-port.ts";
import { emptyBlocklist } from "../bench/edge/blocked.ts";
import { type Client, clientOf, createClients, orderRequest } from "../bench/edge/clients.ts";
import { publish } from "../bench/edge/published.ts";
import { runTurn } from "../bench/support/load-turn.ts";
import { requestBatch } from "../bench/support/request-batch.ts";
import { type BenchStore, startStore } from "../bench/support/store.ts";
import { startWorkerd } from "../bench/support/workerd.ts";
import { serve } from "../support/listen.ts";

/** Afterwards all bounded structures are full. */
const WARM_UP = 4_000;
const MEASUREMENTS = 7;
const REQUESTS = 50_000;
/** Bytes per request. A single leaked span is about 500. */
const MOST_GROWTH = 20;
/**
 * If a hanging collector leaves spans in the queue, up to 2,048, and as many in the export: 2 MB that are there in one measurement
 * and not in the next one, divided by the number of requests.
 */
const MOST_GROWTH_WITH_SPANS = 60;
const TIMEOUT_MS = 600_000;

const CONNECTIONS = 16;
const ANSWER_LIMIT_MS = 240_000;
const REPLY_TIMEOUT_MS = 10_000;
/** One and a half times the edge's interval between exports. */
const QUIET_MS = 1_500;
const POLL_MS = 50;
const SETTLE_LIMIT_MS = 30_000;

const stops = new CleanupStack();
let bundle: EdgeBundle;
let deployed: string;
let store: BenchStore;
const clients: readonly Client[] = createClients();

const createFolder = async (ends: CleanupStack): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-edge-memory-"));
  ends.add(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

beforeAll(async () => {
  bundle = await bundleEdge(undefined, await createFolder(stops));
  deployed = await readFile(bundle.path, "utf8");
  store = await startStore({ stops, signal: new AbortController().signal });
}, 120_000);
afterAll(() => stops.runAll());

/** The edge recognizes its origin by the request's id. */
const origin: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(200, {
    "content-type": "application/json",
    "x-request-id": String(request.headers["x-request-id"]),
  });
  response.end("{}");
};

const reply = z.object({ id: z.number(), result: z.record(z.string(), z.unknown()) });
const contextCreated = z.object({
  method: z.literal("Runtime.executionContextCreated"),
  params: z.object({ context: z.object({ id: z.number() }) }),
});

/**
 * Connects to the inspector (Chrome DevTools Protocol); workerd never answers `HeapProfiler.collectGarbage`.
 *
 * @returns a function that collects all garbage, and returns the isolate's used bytes
 */
const inspect = async (port: number, ends: CleanupStack): Promise<() => Promise<number>> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/worker`);
  await once(socket, "open");
  ends.add(async () => socket.terminate());
  const waiting = new Map<number, (result: Record<string, unknown>) => void>();
  let contextId: number | undefined;
  let calls = 0;
  socket.on("message", (data) => {
    const message: unknown = JSON.parse(String(data));
    contextId = contextCreated.safeParse(message).data?.params.context.id ?? contextId;
    const { data: answer } = reply.safeParse(message);
    if (answer !== undefined) waiting.get(answer.id)?.(answer.result);
  });
  const call = async (method: string, params: object = {}): Promise<Record<string, unknown>> => {
    calls += 1;
    const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
    waiting.set(calls, resolve);
    socket.send(JSON.stringify({ id: calls, method, params }));
    return await withTimeout(promise, REPLY_TIMEOUT_MS);
  };
  await call("Runtime.enable");
  // A client of the console would keep its lines.
  await call("Runtime.disable");
  return async () => {
    // The second collection frees objects with finalizers.
    for (let turn = 0; turn < 2; turn += 1) {
      const { exceptionDetails } = await call("Runtime.evaluate", { expression: "gc()", contextId });
      expect(exceptionDetails).toBeUndefined();
    }
    return Number((await call("Runtime.getHeapUsage"))["usedSize"]);
  };
};

/** The growth of y with x, by least squares. */
const slopeOf = (points: readonly (readonly [number, number])[]): number => {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return above / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
};

interface Watched {
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Waits until buffered telemetry is sent. @default not at all */
  readonly settle?: () => Promise<void>;
}

/** The heap's growth per request, in bytes. */
const growthOf = async ({ script, environment, settle }: Watched): Promise<number> => {
  const ends = new CleanupStack();
  onTestFinished(() => ends.runAll());
  const request = (n: number): string => {
    const client = clientOf(clients, n);
    return orderRequest(n, client, client.key.key);
  };
  const inspectorPort = await freePort();
  const { compatibilityDate, compatibilityFlags } = bundle;
  const folder = await createFolder(ends);
  const readyRequest = request(0);
  const { port } = await startWorkerd(
    {
      ...{ name: "the Worker", script, environment, folder, readyRequest, inspectorPort },
      ...{ compatibilityDate, compatibilityFlags },
    },
    { stops: ends, signal: new AbortController().signal },
  );
  const usedBytes = await inspect(inspectorPort, ends);
  const send = async (count: number): Promise<void> => {
    const requests = requestBatch(
      Array.from({ length: count }, (_, n) => request(n)),
      false,
    );
    const trace = await runTurn({ port, requests, connections: CONNECTIONS, lastsMs: ANSWER_LIMIT_MS });
    expect([...trace.reasons]).toEqual([]);
    await settle?.();
  };

  await send(WARM_UP);
  const points: [number, number][] = [[0, await usedBytes()]];
  const count = Math.ceil(REQUESTS / (MEASUREMENTS - 1));
  for (let turn = 1; turn < MEASUREMENTS; turn += 1) {
    await send(count);
    points.push([turn * count, await usedBytes()]);
  }
  return slopeOf(points);
};

const collectors = {
  responds: (_request, response) => void response.end("{}"),
  hangs: (request) => void request.resume(),
} satisfies Readonly<Record<string, RequestListener>>;

test.each([
  { ratio: 0, collector: "responds" },
  { ratio: 1, collector: "responds" },
  { ratio: 0, collector: "hangs" },
  { ratio: 1, collector: "hangs" },
] as const)(
  "the heap does not grow with requests if the sampling ratio is $ratio and the collector $collector",
  async ({ ratio, collector }) => {
    let lastAtMs = performance.now();
    const receiver = await serve((request, response) => {
      lastAtMs = performance.now();
      collectors[collector](request, response);
    });
    onTestFinished(receiver.stop);
    const upstream = await serve(origin);
    onTestFinished(upstream.stop);
    const keyPrefix = `memory_${ratio}_${collector}:`;
    await publish(store, { keyPrefix, clients, blocklist: emptyBlocklist() });
    const growth = await growthOf({
      script: deployed,
      environment: {
        ORIGINS: upstream.url,
        SIGNING_KEYS: `memory:${randomBytes(32).toString("base64")}`,
        UPSTASH_REDIS_REST_URL: store.bridge.url,
        UPSTASH_REDIS_REST_TOKEN: store.bridge.token,
        REDIS_KEY_PREFIX: keyPrefix,
        // The load shares its process with the bridge, which may be late.
        REDIS_TIMEOUT_MS: "1000",
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_TRACES_SAMPLER_ARG: String(ratio),
        OTEL_METRIC_EXPORT_INTERVAL: "1000",
        ACCESS_LOG: "all",
      },
      // A hanging collector leaves the buffers full, which are bounded.
      settle: async () => {
        if (ratio === 0 || collector === "hangs") return;
        const beganAtMs = performance.now();
        lastAtMs = beganAtMs;
        while (performance.now() - lastAtMs < QUIET_MS) {
          if (performance.now() - beganAtMs > SETTLE_LIMIT_MS) throw new Error("it never stops exporting");
          await pause(POLL_MS);
        }
      },
    });
    const hasSpans = ratio > 0 && collector === "hangs";
    expect(growth).toBeLessThan(hasSpans ? MOST_GROWTH_WITH_SPANS : MOST_GROWTH);
  },
  TIMEOUT_MS,
);

/** Keeps a small buffer and a string per request. */
const LEAKING = `
const leaked = [];
export default {
  fetch() {
    leaked.push(new Uint8Array(8), "request " + Math.random());
    return new Response("{}");
  },
};
`;

test("a leak of 200 bytes per request is found", { timeout: TIMEOUT_MS }, async () => {
  expect(await growthOf({ script: LEAKING, environment: {} })).toBeGreaterThan(2 * MOST_GROWTH);
});
