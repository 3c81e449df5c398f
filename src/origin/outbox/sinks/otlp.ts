/** Sends events as OpenTelemetry log records, by OTLP over HTTP in its JSON encoding. */
import type { SecurityEvent } from "../../../security-events/event.ts";
import { toOcsf } from "../../../security-events/ocsf.ts";
import { collectorAddress } from "../../../telemetry/collector.ts";
import { attributes, nanoseconds } from "../../../telemetry/otlp.ts";
import { post } from "./http.ts";
import type { Sink } from "./sink.ts";

interface OtlpOptions {
  /** The collector's base URL, without `/v1/logs`. */
  readonly endpoint: string;
  /** @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** @default 10,000 */
  readonly timeoutMs?: number | undefined;
}

/** Severity numbers from OpenTelemetry's Logs Data Model. */
const INFO = { severityNumber: 9, severityText: "INFO" };
const WARN = { severityNumber: 13, severityText: "WARN" };

const typeAttributes = (event: SecurityEvent): Record<string, string | readonly string[]> => {
  switch (event.type) {
    case "auth_failure":
      return { "user.id": event.user, "security.reason": event.reason };
    case "rate_limit_exceeded":
      return { "security.endpoint": event.endpoint, "security.limits": event.limits };
    case "suspicious_activity":
      return { "security.rule": event.rule, "security.details": event.details };
    case "data_access":
      return { "user.id": event.user, "security.resource": event.resource, "security.action": event.action };
  }
};

const logRecord = (event: SecurityEvent, observedAtMs: number) => ({
  timeUnixNano: nanoseconds(event.atMs),
  observedTimeUnixNano: nanoseconds(observedAtMs),
  ...(event.type === "data_access" ? INFO : WARN),
  eventName: `security.${event.type}`,
  ...(event.traceId === null ? {} : { traceId: event.traceId }),
  body: { stringValue: JSON.stringify(toOcsf(event)) },
  attributes: attributes({
    // For collectors that do not support `eventName` yet.
    "event.name": `security.${event.type}`,
    "log.record.uid": event.id,
    "client.address": event.client,
    "breakwater.route": event.route,
    "breakwater.request_id": event.requestId,
    "security.count": event.count,
    "security.last_at_ms": event.lastAtMs,
    ...typeAttributes(event),
  }),
});

/** @param now epoch milliseconds */
export const otlpSink = (
  { endpoint, headers = {}, serviceName, serviceVersion, timeoutMs }: OtlpOptions,
  now: () => number,
): Sink => {
  const target = { url: `${collectorAddress(endpoint).url}/v1/logs`, headers };
  const resource = {
    attributes: attributes({ "service.name": serviceName, "service.version": serviceVersion }),
  };
  return {
    name: "otlp",
    send: (events) => {
      const atMs = now();
      const logRecords = events.map((event) => logRecord(event, atMs));
      const scopeLogs = [{ scope: { name: "breakwater.security-events" }, logRecords }];
      return post(target, JSON.stringify({ resourceLogs: [{ resource, scopeLogs }] }), timeoutMs);
    },
  };
};
