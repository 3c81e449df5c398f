import { expect, test } from "vitest";
import { createLog, type OriginLog } from "../../../src/origin/log/log.ts";

const REQUEST_ID = "0190A0B4-1234-4abc-8def-0123456789ab";

/** The lines that are written. */
const linesOf = (write: (log: OriginLog) => void, level = "info"): Record<string, unknown>[] => {
  const lines: Record<string, unknown>[] = [];
  const service = { serviceName: "test-origin", serviceVersion: "1.2.3" };
  const output = {
    write: (line: string) => void lines.push(JSON.parse(line)),
    flushSync: () => undefined,
    onDrop: () => undefined,
  };
  write(createLog(level, service, output));
  return lines;
};

test("a line has its time, level, message and service", () => {
  expect(linesOf((log) => log.warn({ cutOff: 3 }, "requests were cut off"))).toEqual([
    {
      time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/),
      level: "warn",
      message: "requests were cut off",
      "service.name": "test-origin",
      "service.version": "1.2.3",
      pid: process.pid,
      cutOff: 3,
    },
  ]);
});

test("a line of a request has the trace id beside the request id", () => {
  expect(linesOf((log) => log.warn({ requestId: REQUEST_ID }, "slow statement"))).toMatchObject([
    { requestId: REQUEST_ID, trace_id: "0190a0b412344abc8def0123456789ab" },
  ]);
});

test.each([{}, { requestId: undefined }])("a line with %j has no trace id", (fields) => {
  const [line] = linesOf((log) => log.info(fields, "listening"));
  expect(line).not.toHaveProperty("trace_id");
});

test("a line below the log level is not written", () => {
  const lines = linesOf((log) => {
    log.info("listening");
    log.warn("draining");
  }, "warn");
  expect(lines.map(({ message }) => message)).toEqual(["draining"]);
});

test("a line of an error has its message and stack", () => {
  const lines = linesOf((log) => log.error({ err: new TypeError("on purpose") }, "unhandled"));
  const err = { type: "TypeError", message: "on purpose", stack: expect.any(String) };
  expect(lines).toMatchObject([{ message: "unhandled", err }]);
});

test("a line of a Redis error has no arguments of the command", () => {
  const err = Object.assign(new Error("WRONGPASS"), { command: { name: "auth", args: ["hunter2"] } });
  expect(linesOf((log) => log.warn({ err }, "connection to Redis failed"))).toMatchObject([
    { err: { message: "WRONGPASS", command: { name: "auth", args: "***" } } },
  ]);
});
