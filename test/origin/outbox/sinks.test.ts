import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { otlpSink, post, webhookSink } from "../../../src/origin/outbox/sinks.ts";
import type { SecurityEvent } from "../../../src/security-events/event.ts";
import { toOcsf } from "../../../src/security-events/ocsf.ts";
import { startWebhookServer, type WebhookServer } from "./webhook-server.ts";

const common = {
  id: "00000000-0000-4000-8000-000000000001",
  atMs: 1_700_000_000_123,
  lastAtMs: 1_700_000_005_000,
  count: 9,
  client: "192.0.2.1",
  route: "getOrder",
  requestId: "8f14e45f-ceea-467f-a8e3-1d1f5d6c2b11",
  traceId: "0123456789abcdef0123456789abcdef",
};
const failure: SecurityEvent = { ...common, type: "auth_failure", user: "alice", reason: "expired" };
const limited: SecurityEvent = {
  ...common,
  type: "rate_limit_exceeded",
  endpoint: "GET /v1/orders/:id",
  limits: ["per-client", "per-principal"],
};
const suspicious: SecurityEvent = {
  ...common,
  type: "suspicious_activity",
  rule: "path-traversal",
  details: "/../etc/passwd",
};
const access: SecurityEvent = {
  ...common,
  type: "data_access",
  user: "alice",
  resource: "/v1/orders/7",
  action: "read",
};

describe("the OCSF object", () => {
  test.each([
    [failure, 3002, 3, 1, { status_id: 2, status_detail: "expired", user: { uid: "alice" }, severity_id: 2 }],
    [limited, 4002, 4, 3, { action_id: 2, disposition_id: 2, status_code: "429", severity_id: 2 }],
    [suspicious, 2004, 2, 1, { finding_info: { title: "path-traversal", uid: common.id }, severity_id: 3 }],
    [access, 6003, 6, 2, { actor: { user: { uid: "alice" } }, api: { operation: "getOrder" }, status_id: 1 }],
  ])("of $type has its class", (event, classUid, category, activity, own) => {
    expect(toOcsf(event)).toMatchObject({
      class_uid: classUid,
      category_uid: category,
      activity_id: activity,
      type_uid: classUid * 100 + activity,
      time: common.atMs,
      start_time: common.atMs,
      end_time: common.lastAtMs,
      count: 9,
      metadata: { uid: common.id, version: "1.4.0", correlation_uid: common.traceId },
      ...own,
    });
  });

  test("of a write is an update, and of an endpoint without a method another activity", () => {
    expect(toOcsf({ ...access, action: "write" }).activity_id).toBe(3);
    expect(toOcsf({ ...limited, endpoint: "/v1/orders" }).activity_id).toBe(99);
  });
});

describe("a sink", () => {
  let server: WebhookServer;
  beforeEach(async () => {
    server = await startWebhookServer();
  });
  afterEach(() => server.stop());

  test("for JSON receives an array of events, each with its OCSF object", async () => {
    const sink = webhookSink({ url: `${server.url}/in`, token: "t", format: "json", serviceName: "shop" });
    expect(await sink.send([failure, access])).toEqual({ kind: "accepted" });
    const [request] = server.accepted;
    expect(request).toMatchObject({ path: "/in", authorization: "Bearer t" });
    expect(JSON.parse(request?.body ?? "")).toEqual([
      { ...failure, ocsf: toOcsf(failure) },
      { ...access, ocsf: toOcsf(access) },
    ]);
  });

  test("for Splunk receives concatenated objects, with the time in seconds", async () => {
    const sink = webhookSink({ url: server.url, token: "t", format: "splunk-hec", serviceName: "shop" });
    await sink.send([failure, access]);
    const [request] = server.accepted;
    expect(request?.authorization).toBe("Splunk t");
    const objects: unknown = JSON.parse(`[${request?.body.replace("}{", "},{")}]`);
    expect(objects).toMatchObject([
      {
        time: 1_700_000_000.123,
        host: "shop",
        source: "breakwater",
        sourcetype: "breakwater:auth_failure",
        event: { id: common.id, reason: "expired", ocsf: { class_uid: 3002 } },
      },
      { sourcetype: "breakwater:data_access" },
    ]);
  });

  test("for OpenTelemetry receives named log records that are linked to their trace", async () => {
    const sink = otlpSink(
      { endpoint: `${server.url}/`, serviceName: "shop", serviceVersion: "1.2.3" },
      () => 1_700_000_006_000,
    );
    await sink.send([limited]);
    const [request] = server.accepted;
    expect(request?.path).toBe("/v1/logs");
    const [{ resource, scopeLogs }] = JSON.parse(request?.body ?? "").resourceLogs;
    expect(resource.attributes).toEqual([
      { key: "service.name", value: { stringValue: "shop" } },
      { key: "service.version", value: { stringValue: "1.2.3" } },
    ]);
    const [record] = scopeLogs[0].logRecords;
    expect(record).toMatchObject({
      timeUnixNano: "1700000000123000000",
      observedTimeUnixNano: "1700000006000000000",
      severityNumber: 13,
      severityText: "WARN",
      eventName: "security.rate_limit_exceeded",
      traceId: common.traceId,
    });
    const limits = [{ stringValue: "per-client" }, { stringValue: "per-principal" }];
    for (const attribute of [
      { key: "log.record.uid", value: { stringValue: common.id } },
      { key: "client.address", value: { stringValue: "192.0.2.1" } },
      { key: "security.count", value: { intValue: "9" } },
      { key: "security.limits", value: { arrayValue: { values: limits } } },
    ])
      expect(record.attributes).toContainEqual(attribute);
  });

  test("that rejects events does so for good; after a failure or a timeout they are sent again", async () => {
    const target = { url: server.url, headers: {} };
    server.behave("reject");
    expect(await post(target, "[]")).toEqual({ kind: "rejected", reason: "the sink answered 400" });
    server.behave("fail");
    await expect(post(target, "[]")).rejects.toThrow("the sink answered 500");
    server.behave("hang");
    await expect(post(target, "[]", 50)).rejects.toThrow();
    await server.stop();
    await expect(post(target, "[]")).rejects.toThrow();
  });
});
