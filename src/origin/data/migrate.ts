/**
 * Forward-only migrations: SQL files in folders, run in the order of their names, each once. All of them run
 * in one transaction under an advisory lock, so that any number of processes may start at the same time.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Database } from "./database.ts";
import type { PostgresPool } from "./postgres.ts";

/** Any constant that nobody else uses as an advisory lock in this database. */
const LOCK_KEY = 7_203_418;

/** The platform's own come first, then the API's. */
const FOLDERS = [
  { name: "platform", url: new URL("./migrations/", import.meta.url) },
  { name: "api", url: new URL("../api/migrations/", import.meta.url) },
];

interface Migration {
  /** Such as `api/0001-shop`. */
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** A migration that has run was edited afterwards: what stands in the database is no longer known. */
export class MigrationError extends Error {}

const readMigrations = async (): Promise<Migration[]> => {
  const folders = FOLDERS.map(async ({ name, url }) => {
    const folder = fileURLToPath(url);
    const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
    return await Promise.all(
      files.map(async (file) => {
        const sql = await readFile(join(folder, file), "utf8");
        const checksum = createHash("sha256").update(sql).digest("hex");
        return { name: `${name}/${file.slice(0, -".sql".length)}`, sql, checksum };
      }),
    );
  });
  return (await Promise.all(folders)).flat();
};

const runPending = async (connection: Database, migrations: readonly Migration[]): Promise<string[]> => {
  await connection.query("SELECT pg_advisory_xact_lock($1)", [LOCK_KEY]);
  await connection.query(
    "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())",
  );
  const rows = await connection.query<{ name: string; checksum: string }>(
    "SELECT name, checksum FROM schema_migrations",
  );
  const done = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  const ran: string[] = [];
  for (const { name, sql, checksum } of migrations) {
    const earlier = done.get(name);
    if (earlier === checksum) continue;
    if (earlier !== undefined) throw new MigrationError(`migration ${name} was changed after it had run`);
    await connection.query(sql);
    await connection.query("INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", [
      name,
      checksum,
    ]);
    ran.push(name);
  }
  return ran;
};

/**
 * Brings the database to the level of this program.
 *
 * @returns the names of the migrations that ran, in order
 * @throws MigrationError, or the database's error; nothing has changed then
 */
export const migrate = async (pool: PostgresPool): Promise<string[]> => {
  const migrations = await readMigrations();
  return await pool.withConnection(async (connection) => {
    await connection.query("BEGIN");
    const ran = await runPending(connection, migrations);
    await connection.query("COMMIT");
    return ran;
  });
};
