/** One local system a folder: a second `npm start` is told so. */
import { readFileSync, rmSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { localFolder } from "./folder.ts";
import { LocalError } from "./local-error.ts";
import { commandLineOf } from "./process-command-line.ts";

const path = join(localFolder, "lock");

/** A process id may have passed on to something else since the lock was written. */
const isLocalSystem = async (pid: number): Promise<boolean> =>
  pid !== process.pid && (await commandLineOf(pid)).includes("src/local/");

const tryLock = async (): Promise<boolean> => {
  try {
    const file = await open(path, "wx", 0o600);
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
};

/**
 * Takes the lock; one whose owner is gone is taken over.
 *
 * @returns what gives it back
 * @throws LocalError where another process holds it
 */
export const lockFolder = async (): Promise<() => void> => {
  if (!(await tryLock())) {
    const owner = Number(await readFile(path, "utf8").catch(() => ""));
    if (await isLocalSystem(owner)) {
      throw new LocalError(`another npm start (process ${owner}) runs in this folder: stop it first`);
    }
    await rm(path, { force: true });
    if (!(await tryLock())) throw new LocalError("another npm start has just begun in this folder");
  }
  return () => {
    if (readFileSync(path, "utf8") === String(process.pid)) rmSync(path, { force: true });
  };
};
