/** What a running local system tells other commands of this folder. */
import { readJson } from "./folder.ts";

export interface Runtime {
  readonly edgeUrl: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisToken: string;
}

export const RUNTIME_FILE = "runtime.json";

const isRuntime = (value: unknown): value is Runtime =>
  typeof value === "object" &&
  value !== null &&
  "databaseUrl" in value &&
  "redisUrl" in value &&
  "redisToken" in value;

/** Undefined where none runs. */
export const readRuntime = async (): Promise<Runtime | undefined> => {
  const value = await readJson(RUNTIME_FILE);
  return isRuntime(value) ? value : undefined;
};
