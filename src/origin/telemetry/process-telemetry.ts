/** The telemetry of a process, by its configuration. */
import { type Meter, trace } from "@opentelemetry/api";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { CORRECTED, collectorAddress } from "../../telemetry/collector.ts";
import {
  createRequestMetrics,
  createTelemetryCounts,
  type TelemetryCounts,
} from "../../telemetry/instruments.ts";
import { resourceOf } from "../../telemetry/resource.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import type { DataOperation } from "../db/instrument.ts";
import { logTransitions } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import type { LogOutput } from "../log/stdout.ts";
import type { RequestTelemetry } from "../middleware/request-telemetry.ts";
import { createObserveData } from "./observe-data.ts";
import { startTracing } from "./tracing.ts";

export type ProcessTelemetry = ReturnType<typeof createProcessTelemetry>;

interface ProcessTelemetryDependencies {
  readonly meter: Meter;
  readonly log: OriginLog;
  /** The output of the log: the lines that it drops are counted. */
  readonly output: LogOutput;
  readonly breakers: { readonly [System in DataOperation["system"]]: Breaker };
}

/** @returns undefined without a collector: no span is recorded */
const configuredTracing = (
  { observability }: OriginConfiguration,
  counts: TelemetryCounts<"traces", "traces">,
  log: OriginLog,
) => {
  const { otlpEndpoint, otlpHeaders: headers = {} } = observability;
  if (otlpEndpoint === undefined) return undefined;
  const { url, isCorrected } = collectorAddress(otlpEndpoint);
  if (isCorrected) log.warn({ url }, CORRECTED);
  return startTracing({
    target: { url: `${url}/v1/traces`, headers },
    resource: { "service.instance.id": crypto.randomUUID(), ...resourceOf(observability) },
    counts,
    transitions: logTransitions("spans", "exported", log),
  });
};

export const createProcessTelemetry = (
  configuration: OriginConfiguration,
  { meter, log, output, breakers }: ProcessTelemetryDependencies,
) => {
  const { samplingRate, accessLog } = configuration.observability;
  const counts = createTelemetryCounts<"traces", "traces" | "logs">(meter, {
    exported: ["traces"],
    dropped: ["traces", "logs"],
  });
  output.onDrop((count) => counts.dropped("logs", "queue_full", count));
  const tracing = configuredTracing(configuration, counts, log);
  const requests: RequestTelemetry = {
    observe: createRequestMetrics(meter),
    tracer: tracing && trace.getTracer("breakwater"),
    samplingRate,
    accessLog,
    log,
  };
  return {
    requests,
    data: createObserveData(meter, (system) => breakers[system].state),
    /** Exports the remaining spans. */
    shutdown: async (): Promise<void> => await tracing?.shutdown(),
  };
};
