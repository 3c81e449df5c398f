/** `.breakwater`, the directory of the local system's state; git ignores it. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as z from "zod/mini";
import { createKey } from "../middleware/auth/api-keys.ts";
import { LocalError } from "./local-error.ts";

export const projectFolder = fileURLToPath(new URL("../../", import.meta.url));
export const stateDir = process.env["BREAKWATER_FOLDER"] ?? join(projectFolder, ".breakwater");

/** Keeps the compiled sources (Node, "Module compile cache"): the next process starts in half the time. */
export const compileCache = { NODE_COMPILE_CACHE: join(projectFolder, ".breakwater/compile-cache") };

/** Creates the directory: its owner can read it, the user that PostgreSQL runs as can enter it. */
export const ensureStateDir = async (): Promise<void> => {
  await mkdir(stateDir, { recursive: true });
  await chmod(stateDir, 0o711);
};

const readState = async <T extends z.ZodMiniType>(
  name: string,
  schema: T,
): Promise<z.output<T> | undefined> => {
  const text = await readFile(join(stateDir, name), "utf8").catch(() => "null");
  const result = schema.safeParse(JSON.parse(text));
  return result.success ? result.data : undefined;
};

/** Only its owner can read the file. */
const writeState = async (name: string, value: unknown): Promise<void> => {
  await mkdir(dirname(join(stateDir, name)), { recursive: true });
  await writeFile(join(stateDir, name), `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
};

const removeState = (name: string): Promise<void> => rm(join(stateDir, name), { force: true });

const secrets = z.object({
  /** For SIGNING_KEYS of both tiers. */
  signingKeys: z.string(),
  redisToken: z.string(),
  /** The key in the banner. */
  demoKey: z.object({ id: z.string(), key: z.string(), hash: z.string() }),
});
export type LocalSecrets = z.output<typeof secrets>;

/** The secrets of the local system, random and created once. */
export const readSecrets = async (): Promise<LocalSecrets> => {
  const stored = await readState("secrets.json", secrets);
  if (stored !== undefined) return stored;
  const created: LocalSecrets = {
    signingKeys: `local:${randomBytes(32).toString("base64")}`,
    redisToken: randomBytes(24).toString("base64url"),
    demoKey: createKey((bytes) => crypto.getRandomValues(bytes)),
  };
  await writeState("secrets.json", created);
  return created;
};

export const removeSecrets = (): Promise<void> => removeState("secrets.json");

const runtime = z.object({
  edgeUrl: z.string(),
  databaseUrl: z.string(),
  redisUrl: z.string(),
  redisToken: z.string(),
});
/** The addresses of a running local system, for the other commands. */
export type Runtime = z.output<typeof runtime>;

/** Undefined if no local system runs. */
export const readRuntime = (): Promise<Runtime | undefined> => readState("runtime.json", runtime);
export const writeRuntime = (value: Runtime): Promise<void> => writeState("runtime.json", value);
export const removeRuntime = (): Promise<void> => removeState("runtime.json");

/** The program and arguments of a process, separated by spaces; empty if there is none. */
export const commandLineOf = async (pid: number): Promise<string> => {
  try {
    if (process.platform === "linux") {
      return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
    }
    return (await promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)])).stdout.trim();
  } catch {
    return "";
  }
};

const lockFile = join(stateDir, "lock");

const tryLock = (): Promise<boolean> =>
  writeFile(lockFile, String(process.pid), { flag: "wx", mode: 0o600 }).then(
    () => true,
    () => false,
  );

/**
 * Reserves the directory for this process; a lock whose process has ended is taken over.
 *
 * @returns a function that releases it
 * @throws LocalError if another process holds it
 */
export const lockStateDir = async (): Promise<() => void> => {
  if (!(await tryLock())) {
    const owner = Number(await readFile(lockFile, "utf8").catch(() => ""));
    // The process id may belong to another program by now.
    if (owner !== process.pid && (await commandLineOf(owner)).includes("src/local/")) {
      throw new LocalError(`another npm start (process ${owner}) runs in this folder: stop it first`);
    }
    await rm(lockFile, { force: true });
    if (!(await tryLock()))
      throw new LocalError(`${lockFile} cannot be written, or another npm start has just begun`);
  }
  return () => {
    if (readFileSync(lockFile, "utf8") === String(process.pid)) rmSync(lockFile, { force: true });
  };
};
