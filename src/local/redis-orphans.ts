/** Redis servers that outlived the process that started them, because that one was killed. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRedisConnection } from "./redis-connection.ts";

const prefix = "breakwater-redis-";

/** What a later run needs to know of a server. */
interface ServerRecord {
  /** The process that started it. */
  readonly owner: number;
  readonly url: string;
}

const recordIn = (folder: string): string => join(folder, "server.json");

/** Makes the folder in which a server of this process runs; it says how to stop it. */
export async function createServerFolder(url: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  const record: ServerRecord = { owner: process.pid, url };
  await writeFile(recordIn(folder), JSON.stringify(record), { mode: 0o600 });
  return folder;
}

/** Stops the servers of this user whose owner is gone, and removes their folders. */
export async function stopRedisOrphans(onNotice: (line: string) => void): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const folder = join(tmpdir(), name);
    if (!name.startsWith(prefix) || !(await isOurs(folder))) continue;
    const record = await readRecord(folder);
    if (record === undefined || isAlive(record.owner)) continue;
    if (await shutDown(record.url))
      onNotice("stopped the Redis that an earlier run left behind when it was killed");
    await rm(folder, { recursive: true, force: true });
  }
}

const isOurs = async (folder: string): Promise<boolean> => {
  const found = await stat(folder).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === process.getuid?.();
};

async function readRecord(folder: string): Promise<ServerRecord | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(recordIn(folder), "utf8"));
    if (typeof record !== "object" || record === null || !("owner" in record) || !("url" in record))
      return undefined;
    return { owner: Number(record.owner), url: String(record.url) };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Only the server of that record has its password. Answers whether it was there. */
async function shutDown(url: string): Promise<boolean> {
  const { redis } = createRedisConnection(url);
  try {
    await redis.ping();
    // The server answers by closing the connection.
    await redis.call("SHUTDOWN", "NOSAVE").catch(() => {});
    return true;
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
