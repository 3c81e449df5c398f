import { describe, expect, test } from "vitest";
import { createLog, type LogService } from "../../../src/origin/log/log.ts";

const SERVICE: LogService = { serviceName: "test-origin", serviceVersion: "1.2.3" };
const REQUEST_ID = "0190A0B4-1234-4abc-8def-0123456789ab";

const logging = (level = "info", service: LogService | undefined = SERVICE) => {
  const lines: string[] = [];
  const log = createLog(level, service, {
    write: (line) => void lines.push(line),
    flushSync: () => undefined,
    onDrop: () => undefined,
  });
  return { log, said: (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line)) };
};

describe("a line of the log", () => {
  test("has its time, level, message and service", () => {
    const { log, said } = logging();
    log.warn({ cutOff: 3 }, "requests were cut off");
    expect(said()).toEqual([
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

  test("of a request has the trace id beside the request id", () => {
    const { log, said } = logging();
    log.warn({ requestId: REQUEST_ID }, "slow statement");
    expect(said()).toMatchObject([{ requestId: REQUEST_ID, trace_id: "0190a0b412344abc8def0123456789ab" }]);
  });

  test("without a request has no trace id", () => {
    const { log, said } = logging();
    log.info("listening");
    log.info({ requestId: undefined }, "slow statement");
    for (const line of said()) expect(line).not.toHaveProperty("trace_id");
  });

  test("below the log level is not written", () => {
    const { log, said } = logging("warn");
    log.info("listening");
    log.warn("draining");
    expect(said().map(({ message }) => message)).toEqual(["draining"]);
  });

  test("of an error has its message and stack", () => {
    const { log, said } = logging();
    log.error({ err: new TypeError("on purpose"), requestId: REQUEST_ID }, "unhandled");
    expect(said()).toMatchObject([
      {
        message: "unhandled",
        err: { type: "TypeError", message: "on purpose", stack: expect.any(String) },
      },
    ]);
  });

  test("of an error of Redis has no arguments of its command", () => {
    const { log, said } = logging();
    const command = { name: "auth", args: ["hunter2"] };
    log.warn({ err: Object.assign(new Error("WRONGPASS"), { command }) }, "connection to Redis failed");
    expect(said()).toMatchObject([{ err: { message: "WRONGPASS", command: { name: "auth", args: "***" } } }]);
  });
});
