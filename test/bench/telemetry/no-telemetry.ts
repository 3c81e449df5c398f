/** Replaces the telemetry of a process by none. */
import type { ProcessTelemetry } from "../../../src/origin/telemetry/process-telemetry.ts";

export const createProcessTelemetry = (): ProcessTelemetry => ({
  requests: { begin: () => undefined, served: () => undefined },
  data: () => () => undefined,
  shutdown: async () => undefined,
});
