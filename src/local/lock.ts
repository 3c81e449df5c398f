/** The lock of the state directory: a file with the id of the process that holds it. */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../lib/async.ts";
import { isAlive } from "./child-process.ts";
import { isSystemError, LocalError } from "./local-error.ts";
import { stateDir } from "./state-dir.ts";

const read = (file: string): Promise<string | undefined> => readFile(file, "utf8").catch(() => undefined);

/** The process that a lock names, if it is another one that runs. */
const ownerOf = (lock: string | undefined): number | undefined => {
  const pid = /^\d+$/.test(lock ?? "") ? Number(lock) : 0;
  return pid > 0 && pid !== process.pid && isAlive(pid) ? pid : undefined;
};

/** @returns whether there was none */
const create = async (file: string, lock: string): Promise<boolean> => {
  try {
    await writeFile(file, lock, { mode: 0o600, flag: "wx" });
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw error;
  }
};

/** Removes a lock without an owner. If another start has replaced it meanwhile, its lock is put back. */
const remove = async (file: string, lock: string): Promise<void> => {
  const removed = `${file}.${process.pid}`;
  try {
    await rename(file, removed);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return;
    throw error;
  }
  const content = await read(removed);
  if (content !== undefined && content !== lock) await create(file, content);
  await rm(removed, { force: true });
};

/** An empty lock is one that another start is writing, unless it stays empty. */
const EMPTY_MS = 1_000;
const RETRY_MS = 50;
const MAX_WAIT_MS = 5_000;
/** By then, every other start that saw the same lock without an owner has removed it. */
const SETTLE_MS = 200;

/** @returns whether there was no lock, and no other start has removed this one */
const hold = async (file: string, own: string): Promise<boolean> => {
  if (!(await create(file, own))) return false;
  await sleep(SETTLE_MS);
  return (await read(file)) === own;
};

const stateLock = join(stateDir, "lock");

/** The process of the running `npm start`. */
export const lockOwner = async (file = stateLock): Promise<number | undefined> => ownerOf(await read(file));

/**
 * Reserves the state directory for this process; a lock whose process has ended is taken over.
 *
 * @returns a function that releases it
 * @throws LocalError if another process holds it
 */
export const takeLock = async (file = stateLock): Promise<() => Promise<void>> => {
  const own = String(process.pid);
  const startMs = performance.now();
  while (!(await hold(file, own))) {
    const waitedMs = performance.now() - startMs;
    const lock = await read(file);
    const owner = ownerOf(lock);
    if (owner !== undefined) {
      const message = `another npm start (process ${owner}) runs in this folder`;
      throw new LocalError(`${message}: stop it first, or remove ${file} if that is another program`);
    }
    if (waitedMs > MAX_WAIT_MS) throw new LocalError(`${file} cannot be taken over: remove it`);
    if (lock !== undefined && (lock !== "" || waitedMs > EMPTY_MS)) await remove(file, lock);
    else await sleep(RETRY_MS);
  }
  return async () => {
    if ((await read(file)) === own) await rm(file, { force: true });
  };
};
