/** Sends single requests, and reports what each tier did with them: from their traces and log lines. */
import { GUARD_NAMES } from "../../middleware/guards.ts";
import type { Span } from "../telemetry/otlp.ts";
import type { TraceStore } from "../telemetry/traces.ts";
import type { RequestOrder, RequestReport } from "./state.ts";

export interface LogLine {
  readonly source: string;
  readonly line: string;
}

interface RequestsOptions {
  readonly edgeUrl: string;
  readonly demoKey: string;
  readonly traces: TraceStore;
  /** The newest last. */
  readonly logs: readonly LogLine[];
  readonly format: (source: string, line: string) => string;
  /** Of a port of the edge's attempts. */
  readonly originOf: (port: string) => string | undefined;
}

type Answer = Pick<RequestReport, "id" | "status" | "durationMs" | "headers" | "body">;

const TIMEOUT_MS = 20_000;
const MAX_BODY_LENGTH = 4_000;
const MAX_REPORTS = 100;
const EDGE_SERVICE = "breakwater-edge";

const textOf = (span: Span | undefined, name: string): string => String(span?.attributes[name] ?? "");

/** The command that a guard waits for, if it does. */
const COMMAND_OF_GUARD: Readonly<Record<string, RegExp>> = {
  authentication: /^(?:HGET|HMGET)/,
  limit: /^EVAL/,
};

/** A rejecting guard is the last one that ran. */
const guardsOf = (server: Span | undefined, calls: readonly Span[]): RequestReport["guards"] => {
  if (server === undefined) return [];
  const names: readonly string[] = GUARD_NAMES;
  const last = names.indexOf(textOf(server, "breakwater.guard"));
  return names.map((name, index) => {
    const isReached = last < 0 || index <= last;
    const verdict = last === index ? "rejected" : isReached ? "passed" : "not run";
    const [outcome, mode] = ["outcome", "mode"].map((what) => textOf(server, `breakwater.limit.${what}`));
    const waits = calls.filter((call) => COMMAND_OF_GUARD[name]?.test(call.name));
    return {
      ...{ name, verdict },
      detail: name === "limit" && outcome !== "" ? `${outcome} (${mode})` : "",
      durationMs: waits.length === 0 ? null : waits.reduce((sum, { durationMs }) => sum + durationMs, 0),
    };
  });
};

export const createRequests = (options: RequestsOptions) => {
  const { edgeUrl, demoKey, traces, logs, format, originOf } = options;
  const answers = new Map<string, Answer>();

  const reportOf = (answer: Answer): RequestReport => {
    const traceId = answer.id.replaceAll("-", "");
    const spans = traces.get(traceId)?.spans ?? [];
    const atEdge = spans.filter(({ service }) => service === EDGE_SERVICE);
    const server = atEdge.find(({ parentSpanId }) => parentSpanId === undefined);
    const calls = atEdge.filter(({ attributes }) => attributes["db.system.name"] === "redis");
    const attempts = atEdge
      .filter(({ attributes }) => attributes["breakwater.attempt.number"] !== undefined)
      .map((span) => ({
        number: Number(span.attributes["breakwater.attempt.number"]),
        cause: textOf(span, "breakwater.attempt.cause"),
        origin: originOf(textOf(span, "server.port")) ?? textOf(span, "server.address"),
        outcome: textOf(span, "breakwater.attempt.outcome"),
        durationMs: span.durationMs,
      }))
      .sort((one, other) => one.number - other.number);
    const lines = logs.filter(({ line }) => line.includes(answer.id) || line.includes(traceId));
    return {
      ...answer,
      ...{ traceId, attempts, guards: guardsOf(server, calls), hasTrace: server !== undefined },
      logs: lines.map(({ source, line }) => ({ source, line: format(source, line) })),
    };
  };

  return {
    send: async ({ method, path, body, withKey }: RequestOrder): Promise<RequestReport> => {
      const startedMs = performance.now();
      const response = await fetch(`${edgeUrl}${path}`, {
        method,
        headers: {
          ...(withKey ? { authorization: `Bearer ${demoKey}` } : {}),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...{ redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) },
      });
      const text = await response.text();
      const answer: Answer = {
        id: response.headers.get("x-request-id") ?? crypto.randomUUID(),
        status: response.status,
        durationMs: performance.now() - startedMs,
        headers: [...response.headers],
        body: text.slice(0, MAX_BODY_LENGTH),
      };
      answers.set(answer.id, answer);
      for (const oldest of answers.keys()) if (answers.size > MAX_REPORTS) answers.delete(oldest);
      return reportOf(answer);
    },
    report: (id: string): RequestReport | undefined => {
      const answer = answers.get(id);
      return answer && reportOf(answer);
    },
  };
};
