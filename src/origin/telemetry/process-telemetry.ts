/** All that a process tells of itself, as its configuration has it. */
import type { Registry } from "prom-client";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { collectorAddress } from "../../telemetry/collector.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import type { DataOperation, ObserveData } from "../db/instrument.ts";
import { logTransitions } from "../lifecycle/jobs.ts";
import type { LogContext, OriginLog } from "../log/log.ts";
import type { LogOutput } from "../log/stdout.ts";
import { createRequestMetrics } from "../metrics/registry.ts";
import {
  createAccessLog,
  createRequestTelemetry,
  type RequestTelemetry,
} from "../middleware/request-telemetry.ts";
import { createObserveData } from "./observe-data.ts";
import { createSpanCourier, type SpanCourier } from "./span-courier.ts";
import { createTelemetryCounts, type TelemetryCounts } from "./telemetry-counts.ts";
import { createTracing } from "./tracing.ts";

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
  /** Receives the active span, for the log's lines. @default none */
  readonly context?: LogContext | undefined;
  readonly breakers: { readonly [System in DataOperation["system"]]: Breaker };
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Undefined where no collector is named: then nothing is recorded. */
const configuredCourier = (
  { observability }: OriginConfiguration,
  counts: TelemetryCounts,
  log: OriginLog,
): SpanCourier | undefined => {
  const { otlpEndpoint, otlpHeaders: headers = {}, serviceName, serviceVersion } = observability;
  if (otlpEndpoint === undefined) return undefined;
  const { url, isOtherPort } = collectorAddress(otlpEndpoint);
  if (isOtherPort)
    log.warn({ url }, "the collector is named by its port for gRPC: this one is used, over HTTP");
  return createSpanCourier({
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
  { registry, log, output, context, breakers, now }: ProcessTelemetryDependencies,
): ProcessTelemetry => {
  const { observability } = configuration;
  const counts = createTelemetryCounts(registry);
  output?.onDrop((count) => counts.dropped("logs", "queue_full", count));
  const courier = configuredCourier(configuration, counts, log);
  const tracing = courier && createTracing(courier.add, Math.random);
  if (context !== undefined) context.active = tracing?.active;
  const isLogged = observability.accessLog && log.isLevelEnabled("info");
  return {
    requests: createRequestTelemetry({
      observe: createRequestMetrics(registry),
      tracing,
      samplingRate: observability.samplingRate,
      writeAccessLine:
        isLogged && output !== undefined ? createAccessLog(observability, output, now) : undefined,
    }),
    data: createObserveData({ registry, tracing, breakerState: (system) => breakers[system].state }),
    shutdown: async () => await courier?.shutdown(),
  };
};
