/** Replaces the telemetry of a process with none. */
import type { ProcessTelemetry } from "../../../src/origin/telemetry/process-telemetry.ts";

export const createProcessTelemetry = (): ProcessTelemetry => ({
  requests: { observe: () => undefined },
  data: () => () => undefined,
  shutdown: async () => undefined,
});
