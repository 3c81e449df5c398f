/** Versions of what is published to Redis. A change raises its snapshot's in the same statement. */
import type { Database } from "../db/database.ts";

/** As they are named in `published_snapshots`. */
export type SnapshotName = "keys" | "limits" | "blocklist";

/** A statement for behind a CTE `changed`: the version is raised if that has rows. */
export const raiseVersion = (name: SnapshotName): string =>
  `UPDATE published_snapshots SET version = version + 1 WHERE name = '${name}' AND EXISTS (SELECT FROM changed)`;

/**
 * Of `published_snapshots s`. The epoch is a database's own: the same count in a restored or another database is
 * another version.
 */
export const VERSION = "s.epoch || ':' || s.version";

export const readVersion = async (database: Database, name: SnapshotName): Promise<string> => {
  const [row] = await database.query<{ version: string }>(
    `SELECT ${VERSION} AS version FROM published_snapshots s WHERE s.name = $1`,
    [name],
  );
  return row?.version ?? "";
};
