/** The data directory: made whole or not at all. */
import { randomBytes } from "node:crypto";
import { addAbortListener } from "node:events";
import { chown, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Child, spawnChild } from "./child.ts";
import { LocalError } from "./local-error.ts";
import { isEssential } from "./postgres-log.ts";
import type { Place } from "./postgres-place.ts";

/** The superuser's name, and the database's. */
export const databaseName = "breakwater";

const partialPrefix = "partial-";

/** What PostgreSQL's programs see of the environment: none of the user's PG… variables, messages in English. */
export const postgresEnv = (): NodeJS.ProcessEnv => ({ PATH: process.env["PATH"], LC_ALL: "C" });

/**
 * Makes the data directory of `place` if it has none, and answers its superuser's password.
 *
 * initdb works in a folder beside it that takes its place when complete, so an interruption leaves nothing that
 * a later start takes for data.
 *
 * @throws LocalError when the data cannot be made or used
 * @throws the signal's reason when it fires
 */
export async function ensureCluster(place: Place, signal?: AbortSignal): Promise<string> {
  await removeLeftovers(place.folder);
  const existing = await readFile(join(place.cluster, "PG_VERSION"), "utf8").catch(ifMissing);
  return existing === undefined ? createCluster(place, signal) : openCluster(place, existing.trim());
}

async function removeLeftovers(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: unknown) => {
    throw belongsToAnother(folder, error);
  });
  for (const entry of entries) {
    if (entry.startsWith(partialPrefix)) await removeFolder(join(folder, entry));
  }
}

const passwordFile = (place: Place): string => join(place.folder, "password");

async function openCluster(place: Place, major: string): Promise<string> {
  if (!place.binaries.version.startsWith(`${major}.`)) {
    throw new LocalError(
      `the data in ${place.folder} is PostgreSQL ${major}'s and this is PostgreSQL ${place.binaries.version}: ` +
        "erase it with npm start -- --fresh",
    );
  }
  const password = await readFile(passwordFile(place), "utf8").catch(ifMissing);
  if (password === undefined) {
    throw new LocalError(
      `${passwordFile(place)} is missing, and without it the data cannot be opened: ` +
        "restore it, or erase the data with npm start -- --fresh",
    );
  }
  return password.trim();
}

async function createCluster(place: Place, signal: AbortSignal | undefined): Promise<string> {
  const password = randomBytes(24).toString("hex");
  await writePassword(place, password);
  const partial = join(place.folder, `${partialPrefix}${randomBytes(6).toString("hex")}`);
  try {
    await initdb(place, partial, signal);
    signal?.throwIfAborted();
    await rename(partial, place.cluster);
  } finally {
    await removeFolder(partial);
  }
  return password;
}

/** A new file each time: an earlier one may have other permissions. */
async function writePassword(place: Place, password: string): Promise<void> {
  await rm(passwordFile(place), { force: true });
  await writeFile(passwordFile(place), `${password}\n`, { mode: 0o600, flag: "wx" });
  if (place.user !== undefined) await chown(passwordFile(place), place.user.uid, place.user.gid);
}

async function initdb(place: Place, folder: string, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const child = spawnChild({
    name: "initdb",
    command: place.binaries.initdb,
    args: [
      `--pgdata=${folder}`,
      `--username=${databaseName}`,
      `--pwfile=${passwordFile(place)}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // PostgreSQL's own C.UTF-8 rather than the system's, which macOS lacks.
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--lc-collate=C",
      "--lc-ctype=C",
      "--no-sync",
      "--no-instructions",
    ],
    env: postgresEnv(),
    cwd: place.folder,
    uid: place.user?.uid,
    gid: place.user?.gid,
  });
  const { code } = await exitOf(child, signal);
  signal?.throwIfAborted();
  if (code !== 0) {
    const reason = child.tail().findLast(isEssential) ?? child.tail().at(-1) ?? `exit code ${code}`;
    throw new LocalError(`PostgreSQL's data directory could not be made in ${place.folder}: ${reason}`);
  }
}

/** Waits for the exit; kills the child, with what it started itself, when the signal fires. */
async function exitOf(child: Child, signal: AbortSignal | undefined): Promise<{ code: number | null }> {
  const kill = (): void => void child.stop({ signal: "SIGKILL" });
  const listening = signal === undefined ? undefined : addAbortListener(signal, kill);
  try {
    return await child.exited;
  } finally {
    listening?.[Symbol.dispose]();
  }
}

const removeFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

const belongsToAnother = (path: string, cause: unknown): unknown =>
  hasCode(cause, "EACCES")
    ? new LocalError(`${path} belongs to another user: start as that user, or remove it`, { cause })
    : cause;

function ifMissing(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
  return undefined;
}
