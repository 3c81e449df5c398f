import { type Child, spawnChild } from "../../../src/local/child-process.ts";

/** Runs a module in another process. @returns the process, and the first line of its output */
export const startParent = async (script: string): Promise<readonly [Child, string]> => {
  const line = Promise.withResolvers<string>();
  const args = ["--input-type=module", "--eval", script];
  const parent = spawnChild({ name: "parent", command: process.execPath, args, onLine: line.resolve });
  return [parent, await line.promise];
};
