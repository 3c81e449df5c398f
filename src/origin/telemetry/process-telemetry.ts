/** All that a process tells of itself, as its configuration has it. */
import type { Registry } from "prom-client";
import type { Breaker } from "../../core/breaker/breaker.ts";
import { collectorAddress } from "../../core/telemetry/collector-address.ts";
import type { OriginConfiguration } from "../configuration/configuration.ts";
import type { DataOperation, ObserveData } from "../data/observe.ts";
import type { LogContext, OriginLog } from "../log.ts";
import type { LogOutput } from "../log-output.ts";
import { createRequestMetrics } from "../metrics/request-metrics.ts";
import { createAccessLog } from "./access-log.ts";
import { createObserveData } from "./observe-data.ts";
import { createRequestTelemetry, type RequestTelemetry } from "./request-telemetry.ts";
import { createTelemetryCounts } from "./telemetry-counts.ts";
import { createTracing, type Tracing } from "./tracing.ts";

export interface ProcessTelemetry {
  readonly requests: RequestTelemetry;
  readonly data: ObserveData;
  /** Sends what there is. */
  shutdown(): Promise<void>;
}

export interface ProcessTelemetryDependencies {
  readonly registry: Registry;
  readonly log: OriginLog;
  /** Where lines of requests go. @default nowhere */
  readonly output: LogOutput | undefined;
  /** Is told what is worked below, for the log's lines. @default nobody is */
  readonly context?: LogContext | undefined;
  readonly breakers: { readonly [System in DataOperation["system"]]: Breaker };
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Undefined where no collector is named: then nothing is recorded. */
const configuredTracing = (
  { observability }: OriginConfiguration,
  counts: ReturnType<typeof createTelemetryCounts>,
  log: OriginLog,
): Tracing | undefined => {
  const { otlpEndpoint, otlpHeaders = {}, serviceName, serviceVersion } = observability;
  if (otlpEndpoint === undefined) return undefined;
  const { url, isOtherPort } = collectorAddress(otlpEndpoint);
  if (isOtherPort)
    log.warn({ url }, "the collector is named by its port for gRPC: this one is used, over HTTP");
  return createTracing({
    endpoint: url,
    headers: otlpHeaders,
    serviceName,
    serviceVersion,
    instanceId: crypto.randomUUID(),
    counts,
    log,
  });
};

export const createProcessTelemetry = (
  configuration: OriginConfiguration,
  { registry, log, output, context, breakers, now }: ProcessTelemetryDependencies,
): ProcessTelemetry => {
  const { observability } = configuration;
  const counts = createTelemetryCounts(registry);
  output?.onDrop(() => counts.dropped("logs", "queue_full", 1));
  const tracing = configuredTracing(configuration, counts, log);
  if (context !== undefined) context.active = tracing?.active;
  const isLogged = observability.accessLog && log.isLevelEnabled("info");
  return {
    requests: createRequestTelemetry({
      observe: createRequestMetrics(registry),
      tracing,
      writeAccessLine:
        isLogged && output !== undefined ? createAccessLog(observability, output, now) : undefined,
    }),
    data: createObserveData({ registry, tracing, breakerState: (system) => breakers[system].state }),
    shutdown: async () => await tracing?.shutdown(),
  };
};
