/** The destinations of security events: the log, an OpenTelemetry collector, and a SIEM's webhook. */
import type { SecurityEvent } from "../../security-events/event.ts";
import { toOcsf } from "../../security-events/ocsf.ts";
import { collectorAddress } from "../../telemetry/collector.ts";
import { attributes, nanoseconds } from "../../telemetry/otlp.ts";
import { resourceOf, type Service } from "../../telemetry/resource.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import { type HttpTarget, isSuccess, postJson } from "../http/post-json.ts";
import type { OriginLog } from "../log/log.ts";

export const SINK_NAMES = ["stdout", "otlp", "webhook"] as const;

export type SinkName = (typeof SINK_NAMES)[number];

/** `rejected`: a retry would fail too. The reason contains nothing of the events. */
type SendResult = { readonly kind: "accepted" } | { readonly kind: "rejected"; readonly reason: string };

export interface Sink {
  readonly name: SinkName;
  /**
   * Sends events, of which all or none are accepted.
   *
   * @throws if a retry may succeed; the message contains nothing of the events
   */
  send(events: readonly SecurityEvent[]): Promise<SendResult>;
}

/** Client errors that an operator can fix, such as a wrong token or address, and those of an overloaded server. */
const RETRYABLE: readonly number[] = [401, 403, 404, 405, 407, 408, 421, 425, 429];

/** Delivers to a sink over HTTP. @throws if a retry may succeed */
export const post = async (target: HttpTarget, body: string, timeoutMs = 10_000): Promise<SendResult> => {
  const status = await postJson(target, body, timeoutMs);
  if (isSuccess(status)) return { kind: "accepted" };
  const reason = `the sink answered ${status}`;
  if (status >= 400 && status < 500 && !RETRYABLE.includes(status)) return { kind: "rejected", reason };
  throw new Error(reason);
};

/** JSON lines on standard output, whatever the log level. */
const stdoutSink = (log: OriginLog): Sink => {
  const eventLog = log.child({}, { level: "info" });
  return {
    name: "stdout",
    send: async (events) => {
      for (const event of events) {
        const line = { "event.name": `security.${event.type}`, event, ocsf: toOcsf(event) };
        eventLog.info(event.traceId === null ? line : { ...line, trace_id: event.traceId }, "security event");
      }
      return { kind: "accepted" };
    },
  };
};

interface OtlpOptions extends Service {
  /** The collector's base URL, without `/v1/logs`. */
  readonly endpoint: string;
  /** @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined;
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

/** Sends events as log records, by OTLP over HTTP in its JSON encoding. @param now epoch milliseconds */
export const otlpSink = ({ endpoint, headers = {}, ...service }: OtlpOptions, now: () => number): Sink => {
  const target = { url: `${collectorAddress(endpoint).url}/v1/logs`, headers };
  const resource = { attributes: attributes(resourceOf(service)) };
  return {
    name: "otlp",
    send: (events) => {
      const atMs = now();
      const logRecords = events.map((event) => logRecord(event, atMs));
      const scopeLogs = [{ scope: { name: "breakwater.security-events" }, logRecords }];
      return post(target, JSON.stringify({ resourceLogs: [{ resource, scopeLogs }] }));
    },
  };
};

interface WebhookOptions {
  readonly url: string;
  readonly token?: string | undefined;
  readonly format: "json" | "splunk-hec";
  /** Splunk's `host`. */
  readonly serviceName: string;
  /** @default 10,000 */
  readonly timeoutMs?: number | undefined;
}

const withOcsf = (event: SecurityEvent) => ({ ...event, ocsf: toOcsf(event) });

/** Concatenated objects without a separator; times in seconds. */
const splunkBody = (events: readonly SecurityEvent[], serviceName: string): string =>
  events
    .map((event) =>
      JSON.stringify({
        time: event.atMs / 1000,
        host: serviceName,
        source: "breakwater",
        sourcetype: `breakwater:${event.type}`,
        event: withOcsf(event),
      }),
    )
    .join("");

/** Sends a JSON array, or the format of Splunk's HTTP Event Collector. */
export const webhookSink = ({ url, token, format, serviceName, timeoutMs }: WebhookOptions): Sink => {
  const isSplunk = format === "splunk-hec";
  const authorization = `${isSplunk ? "Splunk" : "Bearer"} ${token}`;
  const target = { url, headers: token === undefined ? {} : { authorization } };
  return {
    name: "webhook",
    send: (events) => {
      const body = isSplunk ? splunkBody(events, serviceName) : JSON.stringify(events.map(withOcsf));
      return post(target, body, timeoutMs);
    },
  };
};

export const configuredSinks = (
  { security, observability }: Pick<OriginConfiguration, "security" | "observability">,
  log: OriginLog,
  now: () => number,
): readonly Sink[] => {
  const { otlpEndpoint: endpoint, otlpHeaders: headers, serviceName } = observability;
  const { siemUrl: url, siemToken: token, siemFormat: format, eventsOnStdout } = security;
  const sinks: Sink[] = [];
  if (eventsOnStdout) sinks.push(stdoutSink(log));
  if (endpoint !== undefined) sinks.push(otlpSink({ ...observability, endpoint, headers }, now));
  if (url !== undefined) sinks.push(webhookSink({ url, token, format, serviceName }));
  return sinks;
};
