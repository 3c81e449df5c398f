/** Requests as OpenTelemetry's exporters send them (opentelemetry-proto, examples). */
import { onTestFinished } from "vitest";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../../../src/local/telemetry/receiver.ts";

type Values = Readonly<Record<string, string | number>>;

const attributes = (values: Values): object[] =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: String(value) },
  }));

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
  readonly attributes?: Values;
}

export const span = (options: SpanOptions): object => {
  const { id, parent, traceId = TRACE_ID, name = `span ${id}`, kind = 2 } = options;
  const { atMs = 0, durationMs = 10 } = options;
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

const resource = (values: Values): object => ({ attributes: attributes(values) });

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
  values: Values = { "service.name": "breakwater-edge", "service.instance.id": "i" },
): object => ({
  resourceMetrics: [
    { resource: resource(values), scopeMetrics: [{ scope: { name: "breakwater" }, metrics }] },
  ],
});

const CUMULATIVE = 2;

export const counter = (name: string, number: number, values: Values = {}): object => ({
  name,
  description: `How many ${name}.`,
  sum: {
    aggregationTemporality: CUMULATIVE,
    isMonotonic: true,
    dataPoints: [
      { timeUnixNano: nanoseconds(START_MS), asInt: String(number), attributes: attributes(values) },
    ],
  },
});

export const gauge = (name: string, number: number, values: Values = {}): object => ({
  name,
  gauge: { dataPoints: [{ asDouble: number, attributes: attributes(values) }] },
});

export const histogram = (name: string, point: object, values: Values = {}): object => ({
  name,
  unit: "s",
  description: "Duration of requests.",
  histogram: {
    aggregationTemporality: CUMULATIVE,
    dataPoints: [{ attributes: attributes(values), ...point }],
  },
});

export type Signal = "traces" | "metrics" | "logs";

export interface TestReceiver extends TelemetryReceiver {
  /** Sends a request like an exporter; an object as its JSON. */
  send(signal: Signal, body: object | string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  text(path: string): Promise<string>;
  json(path: string): Promise<unknown>;
}

/** A receiver for one test. @param bodies traces that it has already received */
export const startReceiver = async (bodies: readonly object[] = []): Promise<TestReceiver> => {
  const receiver = await startTelemetryReceiver({ port: 0 });
  onTestFinished(() => receiver.stop());
  const send: TestReceiver["send"] = (signal, body, headers = {}) =>
    fetch(`${receiver.url}/v1/${signal}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  for (const body of bodies) await send("traces", body);
  return {
    ...receiver,
    send,
    text: async (path) => (await fetch(receiver.url + path)).text(),
    json: async (path) => (await fetch(receiver.url + path)).json(),
  };
};
