/** In place of what a process tells of itself: nothing. */
import type { ProcessTelemetry } from "../../../../src/origin/telemetry/process-telemetry.ts";

export const createProcessTelemetry = (): ProcessTelemetry => ({
  requests: { begin: () => undefined, served: () => undefined },
  data: () => () => undefined,
  shutdown: async () => undefined,
});
