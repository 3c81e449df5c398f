/** Requests as OpenTelemetry's exporters send them (opentelemetry-proto, examples). */
import { onTestFinished } from "vitest";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../../../src/local/telemetry/receiver.ts";

export type Plain = string | number | boolean | readonly string[];

const value = (plain: Plain): object => {
  if (typeof plain === "string") return { stringValue: plain };
  if (typeof plain === "boolean") return { boolValue: plain };
  if (typeof plain === "object") return { arrayValue: { values: plain.map(value) } };
  return Number.isInteger(plain) ? { intValue: String(plain) } : { doubleValue: plain };
};

export const attributes = (values: Readonly<Record<string, Plain>>): object[] =>
  Object.entries(values).map(([key, plain]) => ({ key, value: value(plain) }));

const nanoseconds = (ms: number): string => String(BigInt(Math.round(ms * 1_000)) * 1_000n);

export const TRACE_ID = "5b8efff798038103d269b633813fc60c";
export const REQUEST_ID = "5b8efff7-9803-8103-d269-b633813fc60c";
/** The start of the first span, epoch milliseconds. */
export const START_MS = Date.UTC(2026, 10, 2, 3, 4, 5, 678);

export interface SpanOptions {
  readonly id: string;
  readonly parent?: string;
  readonly traceId?: string;
  readonly name?: string;
  readonly kind?: number;
  /** Milliseconds after START_MS. */
  readonly atMs?: number;
  readonly durationMs?: number;
  readonly isError?: boolean;
  readonly attributes?: Readonly<Record<string, Plain>>;
}

export const span = (options: SpanOptions): object => {
  const {
    id,
    parent,
    traceId = TRACE_ID,
    name = `span ${id}`,
    kind = 2,
    atMs = 0,
    durationMs = 10,
  } = options;
  return {
    traceId,
    spanId: id.padStart(16, "0"),
    ...(parent === undefined ? {} : { parentSpanId: parent.padStart(16, "0") }),
    flags: 257,
    name,
    kind,
    startTimeUnixNano: nanoseconds(START_MS + atMs),
    endTimeUnixNano: nanoseconds(START_MS + atMs + durationMs),
    attributes: attributes(options.attributes ?? {}),
    droppedAttributesCount: 0,
    events: [],
    links: [],
    status: options.isError === true ? { code: 2, message: "it broke" } : { code: 0 },
  };
};

const resource = (values: Readonly<Record<string, Plain>>): object => ({
  attributes: attributes(values),
  droppedAttributesCount: 0,
});

export const traces = (service: string, spans: readonly object[]): object => ({
  resourceSpans: [
    {
      resource: resource({ "service.name": service, "service.version": "1.2.3" }),
      scopeSpans: [{ scope: { name: "breakwater" }, spans }],
    },
  ],
});

/** A request through the edge, with two attempts at an origin, to the database. */
export const exampleTrace: readonly object[] = [
  traces("breakwater-edge", [
    span({
      id: "e1",
      name: "GET /products/:id",
      durationMs: 40,
      attributes: { "http.route": "/products/:id", "http.response.status_code": 200 },
    }),
    span({ id: "e2", parent: "e1", name: "GET", kind: 3, atMs: 1, durationMs: 8, isError: true }),
    span({ id: "e3", parent: "e1", name: "GET", kind: 3, atMs: 10, durationMs: 29 }),
  ]),
  traces("breakwater-origin", [
    span({ id: "b1", parent: "e3", name: "GET /products/:id", atMs: 9.5, durationMs: 25 }),
    span({
      id: "b2",
      parent: "b1",
      name: "SELECT products",
      kind: 3,
      atMs: 12,
      durationMs: 3.25,
      attributes: { "db.query.text": "SELECT * FROM products WHERE id = $1" },
    }),
  ]),
];

export const metrics = (
  metrics: readonly object[],
  values: Readonly<Record<string, Plain>> = {
    "service.name": "breakwater-edge",
    "service.version": "1.2.3",
    "service.instance.id": "0b6b6a5e-3e39-4a5c-9a56-1f1d8f3d2a11",
  },
): object => ({
  resourceMetrics: [
    { resource: resource(values), scopeMetrics: [{ scope: { name: "breakwater" }, metrics }] },
  ],
});

const times = { startTimeUnixNano: nanoseconds(START_MS), timeUnixNano: nanoseconds(START_MS + 1_000) };

export const counter = (
  name: string,
  number: number,
  values: Readonly<Record<string, Plain>> = {},
): object => ({
  name,
  description: `How many ${name}.`,
  sum: {
    aggregationTemporality: 2,
    isMonotonic: true,
    dataPoints: [{ ...times, asInt: String(number), attributes: attributes(values) }],
  },
});

export const gauge = (
  name: string,
  number: number,
  values: Readonly<Record<string, Plain>> = {},
): object => ({
  name,
  gauge: {
    dataPoints: [{ timeUnixNano: times.timeUnixNano, asDouble: number, attributes: attributes(values) }],
  },
});

export const histogram = (
  name: string,
  point: object,
  values: Readonly<Record<string, Plain>> = {},
): object => ({
  name,
  unit: "s",
  description: "Duration of requests.",
  histogram: {
    aggregationTemporality: 2,
    dataPoints: [{ ...times, attributes: attributes(values), ...point }],
  },
});

export const logs = (logRecords: readonly object[]): object => ({
  resourceLogs: [
    {
      resource: resource({ "service.name": "breakwater-origin" }),
      scopeLogs: [{ scope: { name: "breakwater.security-events" }, logRecords }],
    },
  ],
});

export type Signal = "traces" | "metrics" | "logs";

export interface TestReceiver extends TelemetryReceiver {
  /** Sends a request like an exporter; an object as its JSON. */
  send(signal: Signal, body: object | string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  text(path: string): Promise<string>;
  json(path: string): Promise<unknown>;
}

/** A receiver for one test. */
export const startReceiver = async (): Promise<TestReceiver> => {
  const receiver = await startTelemetryReceiver({ port: 0 });
  onTestFinished(() => receiver.stop());
  return {
    ...receiver,
    send: (signal, body, headers = {}) =>
      fetch(`${receiver.url}/v1/${signal}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    text: async (path) => (await fetch(receiver.url + path)).text(),
    json: async (path) => (await fetch(receiver.url + path)).json(),
  };
};
