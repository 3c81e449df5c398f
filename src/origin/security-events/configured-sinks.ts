/** The sinks that the configuration names. */
import type { OriginConfiguration } from "../config/schema.ts";
import type { OriginLog } from "../log/log.ts";
import type { Sink } from "./sink.ts";
import { otlpSink } from "./sinks/otlp.ts";
import { stdoutSink } from "./sinks/stdout.ts";
import { webhookSink } from "./sinks/webhook.ts";

export const configuredSinks = (
  { security, observability }: Pick<OriginConfiguration, "security" | "observability">,
  log: OriginLog,
  now: () => number,
): readonly Sink[] => {
  const { otlpEndpoint, otlpHeaders, serviceName, serviceVersion } = observability;
  const { siemUrl, siemToken, siemFormat, eventsOnStdout } = security;
  return [
    ...(eventsOnStdout ? [stdoutSink(log)] : []),
    ...(otlpEndpoint === undefined
      ? []
      : [otlpSink({ endpoint: otlpEndpoint, headers: otlpHeaders, serviceName, serviceVersion }, now)]),
    ...(siemUrl === undefined
      ? []
      : [webhookSink({ url: siemUrl, token: siemToken, format: siemFormat, serviceName })]),
  ];
};
