import {
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  countedExporter,
  countedProcessor,
  MAX_WAITING,
} from "../../../src/origin/telemetry/counted-spans.ts";
import type { TelemetryCounts } from "../../../src/origin/telemetry/telemetry-counts.ts";

type Done = Parameters<SpanExporter["export"]>[1];

/** As `ExportResultCode` has them. */
const SUCCESS = { code: 0 };
const FAILED = { code: 1, error: new Error("away") };

let told: string[];
let exports: Done[];
let order: string[];
let held: ReadableSpan[];
let provider: TracerProvider;
let counted: ReturnType<typeof countedExporter>;

const counts: TelemetryCounts = {
  exported: (signal, count) => void told.push(`exported ${signal} ${count}`),
  dropped: (signal, reason, count) => void told.push(`dropped ${signal} ${reason} ${count}`),
};

beforeEach(() => {
  told = [];
  exports = [];
  order = [];
  held = [];
  const exporter: SpanExporter = {
    export: (_, done) => void exports.push(done),
    forceFlush: async () => void order.push("flushed"),
    shutdown: async () => void order.push("shut down"),
  };
  counted = countedExporter(exporter, counts, {
    failed: (error) => void told.push(`failed: ${String(error)}`),
    succeeded: () => void told.push("succeeded"),
  });
  // Batches that are as large as they like, and are sent when the test says so.
  const batches: SpanProcessor = {
    onStart: () => undefined,
    onEnd: (span) => void held.push(span),
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  };
  provider = new TracerProvider({ spanProcessors: [countedProcessor(batches, counted, counts)] });
});
afterEach(() => provider.shutdown());

const end = (many: number): void => {
  const tracer = provider.getTracer("test");
  for (let each = 0; each < many; each += 1) tracer.startSpan("each").end();
};

/** Sends all that is held. @returns what the exporter was answered for it */
const send = (): Promise<unknown> =>
  new Promise((resolve) => {
    counted.export(held.splice(0), resolve);
  });

describe("a span", () => {
  test("waits from its end until it is known whether it was taken", async () => {
    end(3);
    expect(counted.waiting).toBe(3);
    const sent = send();
    expect(counted.waiting).toBe(3);
    exports[0]?.(SUCCESS);
    expect(await sent).toBe(SUCCESS);
    expect(counted.waiting).toBe(0);
    expect(told).toEqual(["exported traces 3", "succeeded"]);
  });

  test("that was not taken is counted, and makes room", async () => {
    end(2);
    const sent = send();
    exports[0]?.(FAILED);
    expect(await sent).toBe(FAILED);
    expect(counted.waiting).toBe(0);
    expect(told).toEqual(["dropped traces export_failed 2", "failed: Error: away"]);
  });

  test("for which there is no room is counted, and goes no further", () => {
    end(MAX_WAITING);
    expect(told).toEqual([]);
    end(2);
    expect(told).toEqual(["dropped traces queue_full 1", "dropped traces queue_full 1"]);
    expect(held).toHaveLength(MAX_WAITING);
  });

  test("finds room again once others have been taken, and not while they are on their way", async () => {
    end(MAX_WAITING);
    const sent = send();
    end(1);
    expect(told).toEqual(["dropped traces queue_full 1"]);
    exports[0]?.(SUCCESS);
    await sent;
    end(1);
    expect(held).toHaveLength(1);
  });
});

test("what is on its way arrives before the exporter is shut down", async () => {
  await counted.shutdown();
  expect(order).toEqual(["flushed", "shut down"]);
});
