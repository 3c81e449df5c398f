import { expect, test, vi } from "vitest";
import { logTransitions } from "../../../src/origin/lifecycle/jobs.ts";
import { createLog } from "../../../src/origin/log/log.ts";

test("a failure is logged when it begins and when it ends, not each time", () => {
  const log = createLog("silent");
  const messages: string[] = [];
  vi.spyOn(log, "warn").mockImplementation((_, message) => void messages.push(String(message)));
  vi.spyOn(log, "info").mockImplementation((message) => void messages.push(String(message)));
  const transitions = logTransitions("security events", "delivered", log);
  transitions.succeeded();
  transitions.failed(new Error("connection refused"));
  transitions.failed(new Error("connection refused"));
  transitions.succeeded();
  transitions.succeeded();
  expect(messages).toEqual(["security events cannot be delivered", "security events are delivered again"]);
});
