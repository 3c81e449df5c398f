/** The sinks that the configuration enables. */
import { toOcsf } from "../../../security-events/ocsf.ts";
import type { OriginConfiguration } from "../../config/schema.ts";
import type { OriginLog } from "../../log/log.ts";
import { otlpSink } from "./otlp.ts";
import type { Sink } from "./sink.ts";
import { webhookSink } from "./webhook.ts";

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

export const configuredSinks = (
  { security, observability }: Pick<OriginConfiguration, "security" | "observability">,
  log: OriginLog,
  now: () => number,
): readonly Sink[] => {
  const { otlpEndpoint: endpoint, otlpHeaders: headers, serviceName, serviceVersion } = observability;
  const { siemUrl: url, siemToken: token, siemFormat: format, eventsOnStdout } = security;
  const sinks: Sink[] = [];
  if (eventsOnStdout) sinks.push(stdoutSink(log));
  if (endpoint !== undefined) sinks.push(otlpSink({ endpoint, headers, serviceName, serviceVersion }, now));
  if (url !== undefined) sinks.push(webhookSink({ url, token, format, serviceName }));
  return sinks;
};
