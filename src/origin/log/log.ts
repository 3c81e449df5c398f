/** The log: JSON lines on standard output. */
import { trace } from "@opentelemetry/api";
import { pino } from "pino";
import { MASK } from "../../telemetry/logging/redact.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { LogOutput } from "./stdout.ts";

export type OriginLog = ReturnType<typeof createLog>;

export interface LogService {
  readonly serviceName: string;
  readonly serviceVersion: string;
}

/** Without an active span the trace id comes from the request id. */
const traceFields = (fields: object): object => {
  const active = trace.getActiveSpan()?.spanContext();
  if (active !== undefined) return { trace_id: active.traceId, span_id: active.spanId };
  return "requestId" in fields && typeof fields.requestId === "string"
    ? { trace_id: traceIdOf(fields.requestId) }
    : {};
};

/**
 * @param service attributes of every line, under OpenTelemetry's names @default none
 * @param output @default standard output, unbuffered
 */
export const createLog = (level: string, service?: LogService, output?: LogOutput) => {
  const base = service && {
    "service.name": service.serviceName,
    "service.version": service.serviceVersion,
    pid: process.pid,
  };
  const options = {
    level,
    base: base ?? null,
    messageKey: "message",
    // An error of ioredis has its command: the arguments of AUTH are the password.
    redact: { paths: ["err.command.args"], censor: MASK },
    mixin: traceFields,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return output === undefined ? pino(options) : pino(options, output);
};
