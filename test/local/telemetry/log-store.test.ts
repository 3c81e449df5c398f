import { expect, it } from "vitest";
import { createLogStore } from "../../../src/local/telemetry/log-store.ts";
import type { LogRecord } from "../../../src/local/telemetry/otlp-logs.ts";

const record = (body: string): LogRecord => ({
  timeMs: 1,
  severityNumber: 9,
  severityText: "INFO",
  eventName: "",
  body,
  traceId: undefined,
  spanId: undefined,
  service: "a",
  attributes: {},
});

it("a store of log records keeps the newest 1,000", () => {
  const store = createLogStore();
  for (let index = 0; index < 1_005; index += 1) store.add(record(String(index)));
  expect(store.all()).toHaveLength(1_000);
  expect(store.all()[0]?.body).toBe("5");
});

it("a store of log records keeps fewer where they are large", () => {
  const size = JSON.stringify(record("x".repeat(1_000))).length;
  const store = createLogStore({ maxCharacters: 2 * size });
  for (const letter of "abcd") store.add(record(letter.repeat(1_000)));
  expect(store.all().map(({ body }) => String(body).slice(0, 1))).toEqual(["c", "d"]);
});
