/** `config`: what the origin would run with, and where each value comes from. */
import { describeEntries } from "../config/describe.ts";
import type { OriginConfigurationReading } from "../config/read.ts";
import { DEFAULT_FILE, FILE_VARIABLE } from "../config/read-file.ts";
import { EXIT } from "../lifecycle/exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/**
 * @param path the file that was read, if one was
 * @returns the exit code
 */
export const configCommand = (
  reading: OriginConfigurationReading,
  path: string | undefined,
  { print, fail }: Terminal,
): number => {
  if (!reading.ok) {
    fail(reading.message);
    return EXIT.configuration;
  }
  const none = `no file (${FILE_VARIABLE} is not set and ${DEFAULT_FILE} is not there)`;
  print(`${path === undefined ? none : `file ${path}`}\n`);
  print(describeEntries(reading.entries));
  return EXIT.stopped;
};
