/** The log: JSON lines on standard output. */
import { trace } from "@opentelemetry/api";
import { type Logger, pino } from "pino";
import { MASK } from "../../telemetry/logging/redact.ts";
import { resourceOf, type Service } from "../../telemetry/resource.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { LogOutput } from "./stdout.ts";

export type OriginLog = ReturnType<typeof createLog>;

/** Without an active span the trace id comes from the request id of the line, or of its logger. */
const traceFields = (fields: object, _level: number, logger: Logger): object => {
  const active = trace.getActiveSpan()?.spanContext();
  if (active !== undefined) return { trace_id: active.traceId, span_id: active.spanId };
  const { requestId }: { requestId?: unknown } = "requestId" in fields ? fields : logger.bindings();
  return typeof requestId === "string" ? { trace_id: traceIdOf(requestId) } : {};
};

/**
 * @param service attributes of every line, under OpenTelemetry's names @default none
 * @param output @default standard output, unbuffered
 */
export const createLog = (level: string, service?: Service, output?: LogOutput) => {
  const base = service && { ...resourceOf(service), pid: process.pid };
  const options = {
    level,
    base: base ?? null,
    messageKey: "message",
    // Errors of ioredis contain the command: an argument of AUTH is the password.
    redact: { paths: ["err.command.args"], censor: MASK },
    mixin: traceFields,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return output === undefined ? pino(options) : pino(options, output);
};
