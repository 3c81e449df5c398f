/** Sends events to a SIEM's HTTP endpoint, as a JSON array or in the format of Splunk's HTTP Event Collector. */
import type { SecurityEvent } from "../../../security-events/event.ts";
import { toOcsf } from "../../../security-events/ocsf.ts";
import { post } from "./http.ts";
import type { Sink } from "./sink.ts";

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
