/** All that a process tells of itself, as its configuration has it. */
import { type Meter, trace } from "@opentelemetry/api";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { collectorAddress } from "../../telemetry/collector.ts";
import {
  createRequestMetrics,
  createTelemetryCounts,
  type TelemetryCounts,
} from "../../telemetry/instruments.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import type { DataOperation, ObserveData } from "../db/instrument.ts";
import { logTransitions } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import type { LogOutput } from "../log/stdout.ts";
import { createRequestTelemetry, type RequestTelemetry } from "../middleware/request-telemetry.ts";
import { createObserveData } from "./observe-data.ts";
import { startTracing } from "./tracing.ts";

export interface ProcessTelemetry {
  readonly requests: RequestTelemetry;
  readonly data: ObserveData;
  /** Sends what there is. */
  shutdown(): Promise<void>;
}

export interface ProcessTelemetryDependencies {
  readonly meter: Meter;
  readonly log: OriginLog;
  /** Where the log goes: what it drops is counted. */
  readonly output: LogOutput | undefined;
  readonly breakers: { readonly [System in DataOperation["system"]]: Breaker };
}

/** Undefined where no collector is named: then nothing is recorded. */
const configuredTracing = (
  { observability }: OriginConfiguration,
  counts: TelemetryCounts<"traces", "traces">,
  log: OriginLog,
) => {
  const { otlpEndpoint, otlpHeaders: headers = {}, serviceName, serviceVersion } = observability;
  if (otlpEndpoint === undefined) return undefined;
  const { url, isOtherPort } = collectorAddress(otlpEndpoint);
  if (isOtherPort)
    log.warn({ url }, "the collector is named by its port for gRPC: this one is used, over HTTP");
  return startTracing({
    target: { url: `${url}/v1/traces`, headers },
    resource: {
      "service.name": serviceName,
      "service.version": serviceVersion,
      "service.instance.id": crypto.randomUUID(),
    },
    counts,
    transitions: logTransitions("spans", "exported", log),
  });
};

export const createProcessTelemetry = (
  configuration: OriginConfiguration,
  { meter, log, output, breakers }: ProcessTelemetryDependencies,
): ProcessTelemetry => {
  const { observability } = configuration;
  const counts = createTelemetryCounts<"traces", "traces" | "logs">(meter, {
    exported: ["traces"],
    dropped: ["traces", "logs"],
  });
  output?.onDrop((count) => counts.dropped("logs", "queue_full", count));
  const tracing = configuredTracing(configuration, counts, log);
  return {
    requests: createRequestTelemetry({
      observe: createRequestMetrics(meter),
      tracer: tracing && trace.getTracer("breakwater"),
      samplingRate: observability.samplingRate,
      accessLog: observability.accessLog ? log : undefined,
    }),
    data: createObserveData({ meter, breakerState: (system) => breakers[system].state }),
    shutdown: async () => await tracing?.shutdown(),
  };
};
