/** JSON lines on standard output. */
import { pino } from "pino";

export type OriginLog = ReturnType<typeof createLog>;

export const createLog = (level: string) =>
  pino({
    level,
    base: null,
    messageKey: "message",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
