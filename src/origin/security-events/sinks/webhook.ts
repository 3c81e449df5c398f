/** A SIEM's HTTP endpoint: a JSON array, or what Splunk's HTTP Event Collector takes. */
import type { SecurityEvent } from "../../../security-events/event.ts";
import { toOcsf } from "../../../security-events/ocsf.ts";
import { post } from "../http-post.ts";
import type { Sink } from "../sink.ts";

export const SIEM_FORMATS = ["json", "splunk-hec"] as const;

export type SiemFormat = (typeof SIEM_FORMATS)[number];

export interface WebhookOptions {
  readonly url: string;
  readonly token?: string | undefined;
  readonly format: SiemFormat;
  /** Which service tells it. */
  readonly serviceName: string;
  /** @default 10,000 */
  readonly timeoutMs?: number | undefined;
}

interface Form {
  /** Of the token, as the Authorization field names it. */
  readonly scheme: string;
  write(events: readonly SecurityEvent[], serviceName: string): string;
}

const withOcsf = (event: SecurityEvent) => ({ ...event, ocsf: toOcsf(event) });

const forms: Record<SiemFormat, Form> = {
  json: { scheme: "Bearer", write: (events) => JSON.stringify(events.map(withOcsf)) },
  // One object after another, with nothing between them; the time in seconds.
  "splunk-hec": {
    scheme: "Splunk",
    write: (events, serviceName) =>
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
        .join(""),
  },
};

export const webhookSink = ({ url, token, format, serviceName, timeoutMs }: WebhookOptions): Sink => {
  const { scheme, write } = forms[format];
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `${scheme} ${token}` };
  return {
    name: "webhook",
    send: (events) => post({ url, headers }, write(events, serviceName), timeoutMs),
  };
};
