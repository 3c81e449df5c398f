/** Whom PostgreSQL runs as: it refuses to run as root. */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { LocalError } from "./local-error.ts";

const run = promisify(execFile);
const systemUser = "postgres";

export interface PostgresUser {
  /** For messages, such as "the user postgres". */
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Whether this process is root's, so that PostgreSQL needs another user. */
export const isRoot = (): boolean => process.getuid?.() === 0;

/** Whom `path` belongs to; nobody if it is missing or root's own. */
export async function ownerOf(path: string): Promise<PostgresUser | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.uid === 0) return undefined;
  const name = await run("id", ["-un", String(found.uid)]).catch(() => undefined);
  return { name: `the user ${name?.stdout.trim() ?? found.uid}`, uid: found.uid, gid: found.gid };
}

/**
 * The system user `postgres`, created when it is missing.
 *
 * @throws LocalError when it cannot be created
 */
export async function findOrCreateSystemUser(): Promise<PostgresUser> {
  return (await findSystemUser()) ?? (await createSystemUser());
}

async function findSystemUser(): Promise<PostgresUser | undefined> {
  try {
    const [uid, gid] = await Promise.all([id("-u"), id("-g")]);
    return { name: `the user ${systemUser}`, uid, gid };
  } catch {
    return undefined;
  }
}

const id = async (flag: "-u" | "-g"): Promise<number> =>
  Number.parseInt((await run("id", [flag, systemUser])).stdout, 10);

async function createSystemUser(): Promise<PostgresUser> {
  try {
    await run("groupadd", ["--force", "--system", systemUser]);
    await run("useradd", ["--system", "--no-create-home", "--gid", systemUser, systemUser]);
  } catch (error) {
    throw cannotRunAsRoot(error);
  }
  const user = await findSystemUser();
  if (user === undefined) throw cannotRunAsRoot(undefined);
  return user;
}

const cannotRunAsRoot = (cause: unknown): LocalError =>
  new LocalError(
    `PostgreSQL does not run as root, and the system user ${systemUser} could not be created: ` +
      "create it, or start as an ordinary user",
    { cause },
  );

/** Whether `user` can read every one of `paths` and enter or run it; asked of the system itself. */
export async function canReach(user: PostgresUser, paths: readonly string[]): Promise<boolean> {
  const script = 'for path in "$@"; do test -r "$path" && test -x "$path" || exit 1; done';
  try {
    await run("/bin/sh", ["-c", script, "sh", ...paths], { uid: user.uid, gid: user.gid, cwd: "/" });
    return true;
  } catch {
    return false;
  }
}
