/** A line of the log for each request. */
import type { CacheOutcome } from "../../middleware/response-cache/outcome.ts";
import { createAccessLine } from "../../telemetry/logging/access-log.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { LogService } from "../log/log.ts";
import type { LogOutput } from "../log/stdout.ts";
import type { TelemetryRoute } from "./request-telemetry.ts";

export interface AccessEntry {
  readonly route: TelemetryRoute;
  readonly requestId: string;
  readonly status: number;
  readonly durationMs: number;
  /** Where the request's trace is kept. */
  readonly spanId: string | undefined;
  readonly cacheOutcome: CacheOutcome | undefined;
}

export type WriteAccessLine = (entry: AccessEntry) => void;

/** @param now epoch milliseconds */
export const createAccessLog = (
  service: LogService,
  output: LogOutput,
  now: () => number,
): WriteAccessLine => {
  const accessLine = createAccessLine(service);
  return ({ route, requestId, status, durationMs, spanId, cacheOutcome }) => {
    const line = accessLine({
      timeMs: now(),
      method: route.method,
      route: route.path === "" ? undefined : route.path,
      status,
      durationMs,
      requestId,
      traceId: traceIdOf(requestId),
      spanId,
      sampled: spanId !== undefined,
      cache: cacheOutcome,
      errorType: status >= 500 ? String(status) : undefined,
    });
    output.writeFitted(`${line}\n`);
  };
};
