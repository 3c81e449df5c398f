/** OTLP as the local receiver takes it, and log lines made of any text. */
import fc from "fast-check";
import * as z from "zod/mini";
import { createMetricStore } from "../../../src/local/telemetry/metrics.ts";
import { createReceiverApp } from "../../../src/local/telemetry/receiver.ts";
import { createTraceStore } from "../../../src/local/telemetry/traces.ts";
import { fitLine, logLine, MAX_LINE_BYTES } from "../../../src/telemetry/logging/log-line.ts";
import { isSuspect, redact } from "../../../src/telemetry/logging/redact.ts";
import { attributes, nanoseconds } from "../../../src/telemetry/otlp.ts";
import {
  isSampled,
  newSpanId,
  requestIdOf,
  traceIdOf,
  writeTraceparent,
} from "../../../src/telemetry/trace-context.ts";
import { nearTexts } from "../mutate.ts";
import { type Json, nearJson, nearValues } from "../mutate-json.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

const otlpInput = z.object({
  signal: z.enum(["traces", "metrics", "logs"]),
  body: z.string(),
  contentType: z.string(),
  /** How often the first item of each list is repeated: a request may have as many as fit. */
  times: z.number(),
  path: z.string(),
});

const SIGNALS = { traces: "resourceSpans", metrics: "resourceMetrics", logs: "resourceLogs" } as const;

const signalOf = (body: Json): "traces" | "metrics" | "logs" => {
  const text = JSON.stringify(body);
  return text.includes(SIGNALS.traces) ? "traces" : text.includes(SIGNALS.metrics) ? "metrics" : "logs";
};

const LIST = /(?<="(?:spans|logRecords|dataPoints)":\[)([^[\]]*(?:\[[^[\]]*\][^[\]]*)*)(?=\])/g;

/** The same list, this many times as long. */
const longer = (body: string, times: number): string =>
  times === 1 ? body : body.replace(LIST, (items) => Array(times).fill(items).join(","));

export const otlp = defineTarget({
  name: "otlp",
  files: [
    "local/telemetry/otlp.ts",
    "local/telemetry/receiver.ts",
    "local/telemetry/traces.ts",
    "local/telemetry/metrics.ts",
    "local/telemetry/pages.ts",
  ],
  schema: otlpInput,
  inputs: (seeds) => {
    const bodies = seeds.map(({ body }): Json => JSON.parse(body));
    const content = fc
      .constantFrom(...bodies)
      .chain((body) => nearJson([body]).map((text) => ({ body: text, signal: signalOf(body) })));
    const type = fc.oneof(
      { weight: 9, arbitrary: fc.constant("application/json") },
      {
        weight: 1,
        arbitrary: nearTexts(["application/json; charset=utf-8"]).filter((text) =>
          /^[\t\x20-\x7e]*$/.test(text),
        ),
      },
    );
    const path = fc.oneof(
      {
        weight: 2,
        arbitrary: fc.constantFrom("/traces", "/traces.json", "/logs.json", "/metrics", "/style.css"),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          ...["", ".json"].map((end) => `/traces/5b8efff798038103d269b633813fc60c${end}`),
        ),
      },
      {
        weight: 1,
        arbitrary: nearTexts(["5b8efff7-9803"]).map(
          (text) => `/traces/${encodeURIComponent(text.toWellFormed())}`,
        ),
      },
    );
    return fc
      .tuple(
        content,
        type,
        path,
        fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, fc.constantFrom(3, 300)),
      )
      .map(([{ body, signal }, contentType, place, times]) => ({
        signal,
        body,
        contentType,
        times,
        path: place,
      }));
  },
  start: () => {
    let app = createReceiverApp({ traces: createTraceStore(), metrics: createMetricStore(), logs: [] });
    let requests = 0;
    const ask = async (path: string, init?: RequestInit): Promise<number> => {
      const response = await app.request(`http://127.0.0.1:4318${path}`, {
        ...init,
        headers: { host: "127.0.0.1:4318", ...init?.headers },
      });
      await response.text();
      return response.status;
    };
    return {
      run: async ({ signal, body, contentType, times, path }) => {
        requests += 1;
        // A new one from time to time: the pages of full stores take long.
        if (requests % 20 === 0)
          app = createReceiverApp({ traces: createTraceStore(), metrics: createMetricStore(), logs: [] });
        const headers = contentType === "" ? undefined : { "content-type": contentType };
        const status = await ask(`/v1/${signal}`, {
          method: "POST",
          body: longer(body, times),
          ...(headers && { headers }),
        });
        must([200, 400, 413, 415].includes(status), `the receiver responded ${status}`);
        const shown = await ask(path);
        must([200, 404].includes(shown), `${path} is ${shown}`);
        if (requests % 10 === 0)
          for (const page of ["/traces", "/traces.json", "/metrics", "/logs.json"])
            mustEqual(await ask(page), 200, page);
      },
    };
  },
});

const lineInput = z.object({ text: z.string(), fields: z.string() });

export const logLines = defineTarget({
  name: "log-lines",
  files: [
    "telemetry/logging/log-line.ts",
    "telemetry/logging/redact.ts",
    "telemetry/otlp.ts",
    "telemetry/trace-context.ts",
  ],
  schema: lineInput,
  inputs: (seeds) =>
    fc.record({
      text: nearTexts(
        seeds.map(({ text }) => text),
        [
          "password=",
          "Bearer ",
          "bwk_",
          "eyJ",
          "://a:b@",
          "?token=",
          "-----BEGIN PRIVATE KEY-----",
          '\\"',
          "authorization: ",
        ],
      ),
      fields: nearValues(seeds.map(({ fields }): Json => JSON.parse(fields))).map((value) =>
        JSON.stringify(value),
      ),
    }),
  start: () => {
    const circular: Record<string, unknown> = {
      a: 1n,
      f: () => 1,
      set: new Set([1]),
      bytes: new Uint8Array(3),
    };
    circular["self"] = circular;
    return {
      run: ({ text, fields: json }) => {
        const fields: unknown = JSON.parse(json);
        const error = new Error(text, { cause: fields });
        const throwing = {
          get secret() {
            throw error;
          },
          toJSON: undefined,
        };
        const lines = [
          logLine({ time: 1, level: "info", message: text, fields, circular }),
          logLine({ err: error, [text]: text, list: [text, text], date: new Date(0), throwing }),
          logLine(typeof fields === "object" && fields !== null ? { ...fields } : { fields }),
          fitLine(text),
          fitLine(`${json}\n`),
        ];
        for (const line of lines) {
          must(Buffer.byteLength(line) <= MAX_LINE_BYTES, "a long line");
          must(!/\p{Cc}/u.test(line.replace(/\n$/, "")), "a control character in a line");
        }
        // A short line that looks like an object passes as it is.
        const made = [...lines.slice(0, 3), text.startsWith("{") ? "{}" : fitLine(text)];
        for (const line of made) must(JSON.parse(line) !== null, "a line that is no JSON");
        const open = redact(text);
        mustEqual(redact(open), open, "a text masked twice");
        must(isSuspect(text) || open === text, "a text changed without a reason");
        attributes({ [text]: text, list: [text], a: null, n: text.length / 3, i: 1, b: true, x: Number.NaN });
        for (const ms of [text.length * 1e9, -1, 0.5, Number.NaN])
          must(/^\d+$/.test(nanoseconds(ms)), "a time");
        const id = traceIdOf(text);
        requestIdOf(text);
        for (const ratio of [0, 0.5, 1]) isSampled(id, ratio);
        must(writeTraceparent(id, "00f067aa0ba902b7", false).endsWith("-00"), "a traceparent");
        must(
          writeTraceparent(traceIdOf(crypto.randomUUID()), newSpanId()).length === 55,
          "a traceparent's length",
        );
      },
    };
  },
});
