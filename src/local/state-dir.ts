/** `.breakwater`, the directory of the local system's state; git ignores it. */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod/mini";
import { createKey } from "../middleware/auth/api-keys.ts";

export const projectFolder = fileURLToPath(new URL("../../", import.meta.url));
export const stateDir = process.env["BREAKWATER_FOLDER"] ?? join(projectFolder, ".breakwater");

/** Keeps the compiled sources (Node, "Module compile cache"): the next process starts in half the time. */
export const compileCache = { NODE_COMPILE_CACHE: join(projectFolder, ".breakwater/compile-cache") };

/** Creates the directory: its owner can read it, PostgreSQL's user can enter it. */
export const ensureStateDir = async (): Promise<void> => {
  await mkdir(stateDir, { recursive: true });
  await chmod(stateDir, 0o711);
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** A JSON file that only its owner can read. */
const stateFile = <T extends z.ZodMiniType>(name: string, schema: T) => {
  const path = join(stateDir, name);
  return {
    /** Undefined if the file is missing, incomplete or of another version. */
    read: async (): Promise<z.output<T> | undefined> =>
      schema.safeParse(parseJson(await readFile(path, "utf8").catch(() => ""))).data,
    write: (value: z.output<T>): Promise<void> =>
      writeFile(path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 }),
    remove: (): Promise<void> => rm(path, { force: true }),
  };
};

/** The addresses of a running local system, for the other commands. */
export const runtimeFile = stateFile(
  "runtime.json",
  z.object({
    ...{ edgeUrl: z.string(), databaseUrl: z.string(), redisUrl: z.string(), redisToken: z.string() },
    /** Of the page, and for what changes something through it. */
    ...{ pageUrl: z.string(), pageToken: z.string() },
  }),
);

const secrets = z.object({
  /** For SIGNING_KEYS of both tiers. */
  signingKeys: z.string(),
  redisToken: z.string(),
  /** The key in the banner. */
  demoKey: z.object({ id: z.string(), key: z.string(), hash: z.string() }),
});
export type LocalSecrets = z.output<typeof secrets>;

export const secretsFile = stateFile("secrets.json", secrets);

/** The secrets of the local system, created at random once. */
export const readSecrets = async (): Promise<LocalSecrets> => {
  const stored = await secretsFile.read();
  if (stored !== undefined) return stored;
  const created: LocalSecrets = {
    signingKeys: `local:${randomBytes(32).toString("base64")}`,
    redisToken: randomBytes(24).toString("base64url"),
    demoKey: createKey((bytes) => crypto.getRandomValues(bytes)),
  };
  await secretsFile.write(created);
  return created;
};
