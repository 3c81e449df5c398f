/**
 * Forward-only migrations: SQL files in folders, run in the order of their names, each once. All of them run
 * in one transaction under an advisory lock, so that any number of processes may start at the same time.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Database, Transaction } from "./database.ts";

/** Any constant that nobody else uses as an advisory lock in this database. */
const LOCK_KEY = 7_203_418;

/** The platform's own come first, then the API's. They lie in this place beside the bundled program too. */
const FOLDERS = [
  { name: "platform", url: new URL("../data/migrations/", import.meta.url) },
  { name: "api", url: new URL("../api/migrations/", import.meta.url) },
];

export interface Migration {
  /** Such as `api/0001-shop`. */
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** A migration that has run was edited afterwards: what stands in the database is no longer known. */
export class MigrationError extends Error {}

/** The program's migrations, in the order in which they run. */
export const readMigrations = async (): Promise<Migration[]> => {
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

/** A lock that a migration has not got after so long would hold up every request behind it, milliseconds. */
const LOCK_TIMEOUT_MS = 5_000;

const runPending = async (transaction: Transaction, migrations: readonly Migration[]): Promise<string[]> => {
  await transaction.query("SELECT pg_advisory_xact_lock($1)", [LOCK_KEY]);
  await transaction.query("SELECT set_config('lock_timeout', $1, true)", [String(LOCK_TIMEOUT_MS)]);
  await transaction.query(
    "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())",
  );
  const rows = await transaction.query<{ name: string; checksum: string }>(
    "SELECT name, checksum FROM schema_migrations",
  );
  const done = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  const ran: string[] = [];
  for (const { name, sql, checksum } of migrations) {
    const earlier = done.get(name);
    if (earlier === checksum) continue;
    if (earlier !== undefined) throw new MigrationError(`migration ${name} was changed after it had run`);
    await transaction.script(sql);
    await transaction.query("INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", [
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
export const migrate = async (database: Database, migrations: readonly Migration[]): Promise<string[]> =>
  await database.transaction((transaction) => runPending(transaction, migrations));

/** The migrations that have not run yet, by name. Nothing is changed. */
export const pendingMigrations = async (
  database: Database,
  migrations: readonly Migration[],
): Promise<string[]> => {
  const [table] = await database.query<{ exists: boolean }>(
    "SELECT to_regclass('schema_migrations') IS NOT NULL AS exists",
  );
  if (table?.exists !== true) return migrations.map(({ name }) => name);
  const rows = await database.query<{ name: string }>("SELECT name FROM schema_migrations");
  const done = new Set(rows.map(({ name }) => name));
  return migrations.map(({ name }) => name).filter((name) => !done.has(name));
};
