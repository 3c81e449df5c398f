/** JSON lines on standard output. */
import { pino } from "pino";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { LogOutput } from "./stdout.ts";

export type OriginLog = ReturnType<typeof createLog>;

export interface LogService {
  readonly serviceName: string;
  readonly serviceVersion: string;
}

/** What a line is about, beside what it says itself. */
export interface LogContext {
  /** The span that is worked below, where it is kept. */
  active?: (() => { readonly traceId: string; readonly spanId: string } | undefined) | undefined;
}

/** Of a request's line the trace's id is the request's. */
const mixinOf =
  (context: LogContext) =>
  (fields: object): object => {
    const active = context.active?.();
    if (active !== undefined) return { trace_id: active.traceId, span_id: active.spanId };
    return "requestId" in fields && typeof fields.requestId === "string"
      ? { trace_id: traceIdOf(fields.requestId) }
      : {};
  };

/**
 * @param service what every line names, by OpenTelemetry's attributes; without it lines name nothing
 * @param output @default standard output, each line at once
 */
export const createLog = (
  level: string,
  service?: LogService,
  output?: LogOutput,
  context: LogContext = {},
) => {
  const options = {
    level,
    base:
      service === undefined
        ? null
        : {
            "service.name": service.serviceName,
            "service.version": service.serviceVersion,
            pid: process.pid,
          },
    messageKey: "message",
    mixin: mixinOf(context),
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return output === undefined ? pino(options) : pino(options, output);
};
