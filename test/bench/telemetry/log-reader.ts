/** A reader that empties a server's log as fast as it is written: a named pipe, and a process that reads it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { spawnChild } from "../../../src/local/child-process.ts";
import type { Run } from "../support/bench.ts";

const TIMEOUT_MS = 5_000;
const STOP_TIMEOUT_MS = 2_000;

/**
 * A pipe without a reader fills up and blocks its writer; a benchmark that reads every line itself would measure itself.
 *
 * @param path of the pipe, for a server's standard output
 * @throws Error if the system has no named pipes
 */
export const startLogReader = async (path: string, { stops }: Run): Promise<void> => {
  await promisify(execFile)("mkfifo", [path], { timeout: TIMEOUT_MS });
  const child = spawnChild({
    name: "the log's reader",
    command: "/bin/sh",
    args: ["-c", 'exec cat "$0" >/dev/null', path],
  });
  stops.add(() => child.stop({ timeoutMs: STOP_TIMEOUT_MS }));
};
