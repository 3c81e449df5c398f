/** JSON lines on standard output. */
import { pino } from "pino";
import { traceIdOf } from "../core/telemetry/trace-context.ts";
import type { LogOutput } from "./log-output.ts";

export type OriginLog = ReturnType<typeof createLog>;

export interface LogService {
  readonly serviceName: string;
  readonly serviceVersion: string;
}

/** Of a request's line the trace's id is the request's. */
const mixin = (fields: object): object =>
  "requestId" in fields && typeof fields.requestId === "string"
    ? { trace_id: traceIdOf(fields.requestId) }
    : {};

/**
 * @param service what every line names, by OpenTelemetry's attributes; without it lines name nothing
 * @param output @default standard output, each line at once
 */
export const createLog = (level: string, service?: LogService, output?: LogOutput) => {
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
    mixin,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return output === undefined ? pino(options) : pino(options, output);
};
