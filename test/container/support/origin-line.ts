/** A line of the origin's log, as collectors get it. */
import { createLog } from "../../../src/origin/log/log.ts";

/** @returns the line's fields; it is about a request */
export const originLine = (): Record<string, unknown> => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line));
  const output = { write, flushSync: () => undefined, onDrop: () => undefined };
  const log = createLog("info", { serviceName: "web-api", serviceVersion: "1" }, output);
  log.info({ requestId: "8f14e45f-ceea-4e7a-9c1b-0d6d3f2a7b11" }, "request");
  return lines[0] ?? {};
};
