/** Where PostgreSQL's data and programs are, and whom it runs as. */
import { createHash } from "node:crypto";
import { chmod, chown, lstat, mkdir, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { LocalError } from "./local-error.ts";
import { copyBinaries, findBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
import { canReach, findOrCreateSystemUser, isRoot, ownerOf, type PostgresUser } from "./postgres-user.ts";

export interface Place {
  /** Belongs to whom PostgreSQL runs as; holds `cluster` and `password`. */
  readonly folder: string;
  /** The data directory; missing until it is complete. */
  readonly cluster: string;
  readonly binaries: PostgresBinaries;
  /** None: whoever runs this process. */
  readonly user: PostgresUser | undefined;
}

const clusterIn = (folder: string): string => join(folder, "cluster");

/** Where a folder's data goes when root's PostgreSQL user cannot enter the folder. */
const elsewhereFor = (folder: string): string => {
  const hash = createHash("sha256").update(resolve(folder)).digest("hex");
  return `/var/tmp/breakwater-${hash.slice(0, 12)}`;
};

const dataElsewhere = (folder: string): string => join(elsewhereFor(folder), "data");

/** Every place where the data of `folder` may be. */
export const clustersOf = (folder: string): readonly string[] => [
  clusterIn(folder),
  ...(isRoot() ? [clusterIn(dataElsewhere(folder))] : []),
];

/**
 * Finds the place for the data of `folder`, and makes it.
 *
 * That is `folder` itself, except for root: PostgreSQL then runs as another user, and if that one cannot enter
 * `folder` or run the programs where npm put them, they go under /var/tmp.
 *
 * @throws LocalError when there is none
 */
export async function findPlace(folder: string, onNotice: (line: string) => void): Promise<Place> {
  const binaries = await findBinaries();
  if (!isRoot()) {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch(cannotMake(folder));
    return { folder, cluster: clusterIn(folder), binaries, user: undefined };
  }
  const place = await findPlaceForRoot(folder, binaries);
  if (place.folder !== folder) {
    onNotice(
      `PostgreSQL runs as ${place.user.name}, who cannot enter ${folder}: the data is in ${place.folder}`,
    );
  } else if (place.binaries !== binaries) {
    onNotice(
      `PostgreSQL runs as ${place.user.name}, who cannot enter ${binaries.root}: it runs from ${place.binaries.root}`,
    );
  }
  return place;
}

async function findPlaceForRoot(
  folder: string,
  binaries: PostgresBinaries,
): Promise<Place & { user: PostgresUser }> {
  const data = await findFolderForRoot(folder);
  const reachable = await canReach(data.user, [
    binaries.postgres,
    binaries.initdb,
    join(binaries.root, "lib"),
  ]);
  return {
    folder: data.folder,
    cluster: clusterIn(data.folder),
    user: data.user,
    binaries: reachable ? binaries : await copyBinaries(binaries, await makeElsewhere(folder)),
  };
}

/** Data that exists stays where it is and with whom it belongs to. */
async function findFolderForRoot(folder: string): Promise<{ folder: string; user: PostgresUser }> {
  const ownerElsewhere = await ownerOf(clusterIn(dataElsewhere(folder)));
  if (ownerElsewhere !== undefined) {
    await makeElsewhere(folder);
    return { folder: dataElsewhere(folder), user: ownerElsewhere };
  }
  const user = (await ownerOf(clusterIn(folder))) ?? (await findOrCreateSystemUser());
  await makeFolder(folder, user);
  if (await canReach(user, [folder])) return { folder, user };

  await rmdir(folder).catch(() => {});
  await makeElsewhere(folder);
  await makeFolder(dataElsewhere(folder), user);
  return { folder: dataElsewhere(folder), user };
}

async function makeFolder(folder: string, user: PostgresUser): Promise<void> {
  await mkdir(folder, { recursive: true }).catch(cannotMake(folder));
  await chown(folder, user.uid, user.gid);
  await chmod(folder, 0o700);
}

const cannotMake =
  (folder: string) =>
  (cause: unknown): never => {
    throw new LocalError(`the folder ${folder} for PostgreSQL's data cannot be made: ${String(cause)}`, {
      cause,
    });
  };

/** Everybody may write to /var/tmp, so what is there already is trusted only if it is root's. */
async function makeElsewhere(folder: string): Promise<string> {
  const elsewhere = elsewhereFor(folder);
  await mkdir(elsewhere, { mode: 0o755 }).catch(() => {});
  const found = await lstat(elsewhere);
  if (!found.isDirectory() || found.uid !== 0) {
    throw new LocalError(`${elsewhere} is needed for PostgreSQL but belongs to somebody else: remove it`);
  }
  await chmod(elsewhere, 0o755);
  return elsewhere;
}

/**
 * Removes the data of `folder`, wherever it is.
 *
 * @throws LocalError when it belongs to another user
 */
export async function erasePlace(folder: string): Promise<void> {
  for (const path of isRoot() ? [folder, elsewhereFor(folder)] : [folder]) {
    try {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      throw new LocalError(
        `${path} cannot be removed from ${dirname(path)} (${String(error)}): remove it as the user it belongs to`,
        { cause: error },
      );
    }
  }
}
