import { expect, test, vi } from "vitest";
import { failing } from "../../src/origin/failing.ts";
import { createLog } from "../../src/origin/log/log.ts";

test("a failure is told when it begins and when it ends, not each time", () => {
  const log = createLog("silent");
  const told: string[] = [];
  vi.spyOn(log, "warn").mockImplementation((_, message) => void told.push(String(message)));
  vi.spyOn(log, "info").mockImplementation((message) => void told.push(String(message)));
  const events = failing("security events", "delivered", log);
  events.succeeded();
  events.failed(new Error("away"));
  events.failed(new Error("away"));
  events.succeeded();
  events.succeeded();
  expect(told).toEqual(["security events cannot be delivered", "security events are delivered again"]);
});
