/**
 * What an isolate of the edge keeps of requests that it has answered: nothing. It is the worker as it is deployed, in
 * workerd; its heap is read by the inspector once all garbage is collected.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
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

/** Until everything has been made that is made once, and all that is bounded is full. */
const WARM_UP = 4_000;
const MEASUREMENTS = 7;
/** As many as an isolate answers in a while. */
const REQUESTS = 50_000;
/**
 * Bytes a request. What is left of a single span is about 500; what waits to be sent comes and goes, and is divided by how
 * many requests there were.
 */
const MOST_GROWTH = 20;
const TIMEOUT_MS = 600_000;

const CONNECTIONS = 16;
const ANSWER_LIMIT_MS = 240_000;
const REPLY_TIMEOUT_MS = 10_000;
/** As long as the edge waits for more to send, and half as long again. */
const QUIET_MS = 1_500;
const POLL_MS = 50;
const SETTLE_LIMIT_MS = 30_000;

const stops = new CleanupStack();
let bundle: EdgeBundle;
let script: string;
let store: BenchStore;
const clients: readonly Client[] = createClients();

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-edge-memory-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  bundle = await bundleEdge(undefined, folder);
  script = await readFile(bundle.path, "utf8");
  store = await startStore({ stops, signal: new AbortController().signal });
}, 120_000);
afterAll(() => stops.runAll());

const serve = async (listener: RequestListener, ends: CleanupStack): Promise<string> => {
  const server = createServer(listener);
  server.keepAliveTimeout = ANSWER_LIMIT_MS;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.add(async () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return `http://127.0.0.1:${address.port}`;
};

/** By its request's id the edge knows its own origin. */
const origin: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(200, {
    "content-type": "application/json",
    "x-request-id": String(request.headers["x-request-id"]),
  });
  response.end("{}");
};

interface Inspector {
  /** Of the isolate, after all garbage was collected. */
  usedBytes(): Promise<number>;
}

const at = (value: unknown, ...names: readonly string[]): unknown =>
  names.reduce(
    (found, name) =>
      typeof found === "object" && found !== null
        ? Object.entries(found).find(([key]) => key === name)?.[1]
        : undefined,
    value,
  );

/** Chrome DevTools Protocol, as far as it is needed. `HeapProfiler.collectGarbage` is never answered by workerd. */
const inspect = async (port: number, ends: CleanupStack): Promise<Inspector> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/worker`);
  await once(socket, "open");
  ends.add(async () => socket.terminate());
  const waiting = new Map<unknown, (message: unknown) => void>();
  let context: unknown;
  let made = 0;
  socket.on("message", (data) => {
    const message: unknown = JSON.parse(String(data));
    if (at(message, "method") === "Runtime.executionContextCreated")
      context = at(message, "params", "context", "id");
    waiting.get(at(message, "id"))?.(message);
  });
  const call = async (method: string, params: object = {}): Promise<unknown> => {
    made += 1;
    const id = made;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    waiting.set(id, resolve);
    socket.send(JSON.stringify({ id, method, params }));
    const late = pause(REPLY_TIMEOUT_MS, undefined, { ref: false });
    const reply = await Promise.race([promise, late]);
    waiting.delete(id);
    const result = at(reply, "result");
    if (result === undefined) throw new Error(`${method}: ${JSON.stringify(reply) ?? "no reply"}`);
    return result;
  };
  await call("Runtime.enable");
  // Who is told of the console keeps its lines.
  await call("Runtime.disable");
  return {
    usedBytes: async () => {
      // What only finalizers let go of is gone the second time.
      for (let turn = 0; turn < 2; turn += 1) {
        const result = await call("Runtime.evaluate", { expression: "gc()", contextId: context });
        expect(at(result, "exceptionDetails")).toBeUndefined();
      }
      return Number(at(await call("Runtime.getHeapUsage"), "usedSize"));
    },
  };
};

const residentMib = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_024;
};

/** By least squares: how much a value grows with each request. */
const slopeOf = (points: readonly (readonly [number, number])[]): number => {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return above / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
};

interface Watched {
  readonly name: string;
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Lets what waits be sent. */
  readonly settle?: (() => Promise<void>) | undefined;
}

/** @returns bytes of the heap by which it grows with each request */
const growthOf = async ({ name, script, environment, settle }: Watched): Promise<number> => {
  const ends = new CleanupStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "breakwater-edge-memory-"));
    ends.add(() => rm(folder, { recursive: true, force: true }));
    const request = (n: number): string => {
      const client = clientOf(clients, n);
      return orderRequest(n, client, client.key.key);
    };
    const inspectorPort = await freePort();
    const worker = await startWorkerd(
      {
        name,
        script,
        compatibilityDate: bundle.compatibilityDate,
        compatibilityFlags: bundle.compatibilityFlags,
        environment,
        folder,
        before: [],
        readyRequest: request(0),
        inspectorPort,
      },
      { stops: ends, signal: new AbortController().signal },
    );
    const inspector = await inspect(inspectorPort, ends);
    const send = async (count: number): Promise<void> => {
      const requests = requestBatch(
        Array.from({ length: count }, (_, n) => request(n)),
        false,
      );
      const { port } = worker;
      const trace = await runTurn({ port, requests, connections: CONNECTIONS, lastsMs: ANSWER_LIMIT_MS });
      expect([...trace.reasons]).toEqual([]);
    };

    await send(WARM_UP);
    await settle?.();
    const points: [number, number][] = [[0, await inspector.usedBytes()]];
    const residentBefore = await residentMib(worker.pid);
    for (let turn = 1; turn < MEASUREMENTS; turn += 1) {
      const count = Math.ceil(REQUESTS / (MEASUREMENTS - 1));
      await send(count);
      await settle?.();
      points.push([turn * count, await inspector.usedBytes()]);
    }
    const growth = slopeOf(points);
    const heaps = points.map(([, bytes]) => (bytes / 1_024).toFixed(0)).join(" ");
    const resident = `${residentBefore.toFixed(0)} to ${(await residentMib(worker.pid)).toFixed(0)} MiB`;
    process.stdout.write(
      `${name}: ${growth.toFixed(1)} bytes a request; heap ${heaps} KiB; resident ${resident}\n`,
    );
    return growth;
  } finally {
    await ends.runAll();
  }
};

const collectors = {
  "is well": (_request, response) => void response.end("{}"),
  // It takes what it is sent, and says nothing.
  hangs: (request) => void request.resume(),
} satisfies Readonly<Record<string, RequestListener>>;

const cases = [
  { ratio: 0, kept: "no trace is kept", collector: "is well" },
  { ratio: 1, kept: "each trace is kept", collector: "is well" },
  { ratio: 0, kept: "no trace is kept", collector: "hangs" },
  { ratio: 1, kept: "each trace is kept", collector: "hangs" },
] as const;

for (const { ratio, kept, collector } of cases) {
  // With each request the edge also sets a timer that it never clears: that too is gone with the request.
  test(
    `the heap stays as it is where ${kept} and the collector ${collector}`,
    async () => {
      const ends = new CleanupStack();
      try {
        let lastAtMs = performance.now();
        const collectorUrl = await serve((request, response) => {
          lastAtMs = performance.now();
          collectors[collector](request, response);
        }, ends);
        const keyPrefix = `memory_${ratio}_${collector === "hangs" ? "hangs" : "well"}:`;
        await publish(store, { keyPrefix, clients, blocklist: emptyBlocklist() });
        const growth = await growthOf({
          name: `where ${kept} and the collector ${collector}`,
          script,
          environment: {
            ORIGINS: await serve(origin, ends),
            SIGNING_KEYS: `memory:${randomBytes(32).toString("base64")}`,
            UPSTASH_REDIS_REST_URL: store.bridge.url,
            UPSTASH_REDIS_REST_TOKEN: store.bridge.token,
            REDIS_KEY_PREFIX: keyPrefix,
            // What asks shares its process with the bridge: late there is not away.
            REDIS_TIMEOUT_MS: "1000",
            OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
            OTEL_TRACES_SAMPLER_ARG: String(ratio),
            OTEL_METRIC_EXPORT_INTERVAL: "1000",
            ACCESS_LOG: "all",
          },
          // Of spans there are some until they are sent; where nobody takes them, as many as there may be.
          settle: async () => {
            if (ratio === 0 || collector === "hangs") return;
            const beganAtMs = performance.now();
            lastAtMs = beganAtMs;
            while (performance.now() - lastAtMs < QUIET_MS) {
              if (performance.now() - beganAtMs > SETTLE_LIMIT_MS) throw new Error("it sends without end");
              await pause(POLL_MS);
            }
          },
        });
        expect(growth).toBeLessThan(MOST_GROWTH);
      } finally {
        await ends.runAll();
      }
    },
    TIMEOUT_MS,
  );
}

/** A small buffer and a string for each request. */
const LEAKING = `
const kept = [];
export default {
  fetch() {
    kept.push(new Uint8Array(8), "request " + Math.random());
    return new Response("{}");
  },
};
`;

test(
  "the same measure finds a worker that keeps 200 bytes of each request",
  async () => {
    const growth = await growthOf({
      name: "a worker that leaks",
      script: LEAKING,
      environment: {},
    });
    expect(growth).toBeGreaterThan(2 * MOST_GROWTH);
  },
  TIMEOUT_MS,
);
