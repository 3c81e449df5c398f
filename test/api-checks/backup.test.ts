/**
 * A backup of your API's database can be restored. PostgreSQL restores with an empty search path: a function that others use,
 * in a generated column or an index, has to name its schema, or to have a body that is parsed at once (BEGIN ATOMIC).
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { insertSampleData } from "#api/origin/sample-data.ts";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { migrate, pendingMigrations, readMigrations } from "../../src/origin/db/migrate.ts";
import { connectPostgres } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { createDatabase } from "../support/database.ts";
import { postgresPrograms, startInstalledPostgres } from "../support/installed-postgres.ts";
import { isToolRequired } from "../support/required-tools.ts";

test.skipIf(postgresPrograms === undefined && !isToolRequired("pg_dump"))(
  "a dump of the database, with its sample data, is restored",
  async () => {
    const stops = new CleanupStack();
    onTestFinished(() => stops.runAll());
    const programs = postgresPrograms ?? "";
    const server = await startInstalledPostgres(programs);
    stops.add(server.remove);
    const folder = await mkdtemp(join(tmpdir(), "breakwater-dump-"));
    stops.add(() => rm(folder, { recursive: true, force: true }));
    const open = async () => {
      const { url } = await createDatabase(server.url);
      const pool = connectPostgres(url, { maxConnections: 1, log: createLog("silent") });
      stops.add(() => pool.close());
      return { url, pool };
    };
    const [original, restored] = [await open(), await open()];
    await migrate(original.pool, await readMigrations());
    await insertSampleData(original.pool);
    const dump = join(folder, "dump");
    const run = (program: string, ...args: string[]) => promisify(execFile)(join(programs, program), args);
    await run("pg_dump", "--format=custom", `--file=${dump}`, original.url);
    await run("pg_restore", "--exit-on-error", `--dbname=${restored.url}`, dump);
    expect(await pendingMigrations(restored.pool, await readMigrations())).toEqual([]);
  },
);
