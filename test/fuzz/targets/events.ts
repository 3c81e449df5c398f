/** Security events: batches from an edge, rows of the outbox, and what the sinks receive. */
import fc from "fast-check";
import * as z from "zod/mini";
import { logsRequest } from "../../../src/local/telemetry/otlp.ts";
import { decodeBatch, decodeEvent } from "../../../src/origin/outbox/decode-batch.ts";
import { eventId } from "../../../src/origin/outbox/event-id.ts";
import { otlpSink, webhookSink } from "../../../src/origin/outbox/sinks.ts";
import { encodeBatch } from "../../../src/security-events/aggregator.ts";
import {
  aggregationKey,
  type SecurityEvent,
  sanitize,
  sanitizeOccurrence,
} from "../../../src/security-events/event.ts";
import { toOcsf } from "../../../src/security-events/ocsf.ts";
import { nearTexts } from "../mutate.ts";
import { type Json, nearJson } from "../mutate-json.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

/** The bodies that the sinks send, without a network. */
const bodiesOf = async (events: readonly SecurityEvent[]): Promise<string[]> => {
  const bodies: string[] = [];
  const own = globalThis.fetch;
  globalThis.fetch = async (_, init) => {
    bodies.push(String(init?.body));
    return new Response(null, { status: 200 });
  };
  try {
    const service = { serviceName: "a", serviceVersion: "1" };
    await otlpSink({ endpoint: "http://127.0.0.1:4318", ...service }, () => 1_000).send(events);
    for (const format of ["json", "splunk-hec"] as const)
      await webhookSink({ url: "http://127.0.0.1:9", format, serviceName: "a" }).send(events);
  } finally {
    globalThis.fetch = own;
  }
  return bodies;
};

export const securityEvents = defineTarget({
  name: "security-events",
  files: [
    "origin/outbox/decode-batch.ts",
    "security-events/event.ts",
    "security-events/ocsf.ts",
    "origin/outbox/event-id.ts",
  ],
  schema: z.object({ batch: z.string(), text: z.string() }),
  inputs: (seeds) =>
    fc.record({
      batch: nearJson(seeds.map(({ batch }): Json => JSON.parse(batch))),
      text: nearTexts(
        seeds.map(({ text }) => text),
        ["bwk_", "Bearer ", "eyJhbGciOi", "?", "#"],
      ),
    }),
  start: () => ({
    run: async ({ batch: json, text }) => {
      const batch = decodeBatch(json);
      if (batch !== undefined) {
        mustEqual(decodeBatch(encodeBatch(batch)), batch, "a batch written and read");
        for (const event of batch.events) {
          must(Number.isInteger(toOcsf(event).type_uid), "an event without a class");
          mustEqual(decodeEvent(event), event, "an event of the outbox");
          must(eventId(event, 1).length === 36 && eventId(event, 2).length === 36, "an id");
        }
        const [otlp = "", webhook = ""] = await bodiesOf(batch.events);
        const received = logsRequest.safeParse(JSON.parse(otlp));
        must(received.success, `OTLP that this project's own receiver rejects: ${received.error}`);
        must(Array.isArray(JSON.parse(webhook)), "a webhook's body");
      }
      const common = { atMs: 1, client: text, route: text, requestId: text, traceId: text };
      for (const details of [
        { type: "data_access", user: text, resource: text, action: "read" },
        { type: "auth_failure", user: text, reason: "missing" },
        { type: "suspicious_activity", rule: text, details: text },
        { type: "rate_limit_exceeded", endpoint: text, limits: [text] },
      ] as const) {
        const clean = sanitizeOccurrence({ ...common, ...details });
        mustEqual(sanitizeOccurrence(clean), clean, "an event sanitized twice");
        must(
          !/[\p{Cc}\p{Cs}]/u.test(JSON.stringify(Object.values(clean)).replaceAll("\\u", "")),
          "a control character",
        );
        aggregationKey(clean);
      }
      must(sanitize(text, 20).length <= 20, "a long text");
    },
  }),
});
