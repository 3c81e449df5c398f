/** Somebody who reads a server's log as fast as it is written: a named pipe, and a process that empties it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { spawnChild } from "../../../src/local/child-process.ts";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";

const TIMEOUT_MS = 5_000;
const STOP_TIMEOUT_MS = 2_000;

/**
 * A pipe that nobody reads fills up and holds its writer; a benchmark that reads every line itself is what is measured.
 *
 * @param path where the pipe is made; a server's standard output is to go there
 * @throws Error where the system has no named pipes
 */
export const startLogReader = async (path: string, stops: CleanupStack): Promise<void> => {
  await promisify(execFile)("mkfifo", [path], { timeout: TIMEOUT_MS });
  const child = spawnChild({
    name: "the log's reader",
    command: "/bin/sh",
    args: ["-c", 'exec cat "$0" >/dev/null', path],
  });
  stops.add(() => child.stop({ timeoutMs: STOP_TIMEOUT_MS }));
};

/** What is put before a command, so that its standard output goes there: the shell only redirects, and is then the command. */
export const loggingTo = (path: string): readonly string[] => [
  "/bin/sh",
  "-c",
  'log="$0"; exec "$@" >"$log"',
  path,
];
