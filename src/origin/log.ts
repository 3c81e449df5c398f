/** JSON lines on standard output. */
import { pino } from "pino";

export type OriginLog = ReturnType<typeof createLog>;

/** @param service what every line names, by OpenTelemetry's attributes; without it lines name nothing */
export const createLog = (
  level: string,
  service?: { readonly serviceName: string; readonly serviceVersion: string },
) =>
  pino({
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
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
