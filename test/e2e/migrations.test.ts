import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { childEnvironment } from "../../src/local/environment.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { type Database, unboundScope } from "../../src/origin/db/database.ts";
import { type Migration, migrate, pendingMigrations, readMigrations } from "../../src/origin/db/migrate.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import * as before from "../fixtures/previous-level/statements.ts";
import { valid } from "../origin/config/settings.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let pool: PostgresPool;
let migrations: Migration[];

const open = async (): Promise<void> => {
  database = await createDatabase(inject("servers").databaseUrl);
  pool = connectPostgres(database.url, { maxConnections: 8, log: createLog("silent") });
  migrations = await readMigrations();
};
const close = async (): Promise<void> => {
  await pool?.close();
  await database?.drop();
};

const ofLevelBefore = (): Migration[] => migrations.filter(({ name }) => before.LEVEL.includes(name));
const unbound = (): Database => pool.within(unboundScope("migrations"));

interface Column {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly isNullable: string;
  readonly defaultValue: string | null;
}

const columns = (): Promise<Column[]> =>
  pool.query<Column>(
    `SELECT table_name AS "table", column_name AS "column", data_type AS type, is_nullable AS "isNullable",
       column_default AS "defaultValue"
     FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2`,
  );

describe("the current schema", () => {
  beforeAll(open);
  afterAll(close);

  test("extends the fixture's level", () => {
    const names = migrations.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(before.LEVEL));
    expect(names.length).toBeGreaterThan(before.LEVEL.length);
  });

  test("keeps the previous level's columns, and requires no new ones in its tables", async () => {
    await migrate(unbound(), ofLevelBefore());
    const earlier = await columns();
    const ran = await migrate(unbound(), migrations);
    expect(ran).toEqual(migrations.map(({ name }) => name).filter((name) => !before.LEVEL.includes(name)));
    const later = await columns();
    expect(later).toEqual(expect.arrayContaining(earlier));
    const tables = new Set(earlier.map(({ table }) => table));
    const known = new Set(earlier.map(({ table, column }) => `${table}.${column}`));
    const demanding = later
      .filter(({ table, column }) => tables.has(table) && !known.has(`${table}.${column}`))
      .filter(({ isNullable, defaultValue }) => isNullable === "NO" && defaultValue === null);
    expect(demanding).toEqual([]);
  });

  test("is not changed by running the migrations again", async () => {
    expect(await migrate(unbound(), migrations)).toEqual([]);
    expect(await pendingMigrations(unbound(), migrations)).toEqual([]);
  });

  test("names the file of a wrong statement, and changes nothing", async () => {
    const checksum = "new";
    const added = [
      { name: "api/0008-right", sql: "CREATE TABLE added (id integer);", checksum },
      { name: "api/0009-wrong", sql: "CREATE TABEL another (id integer);", checksum },
    ];
    await expect(migrate(unbound(), [...migrations, ...added])).rejects.toThrow(
      'migration api/0009-wrong failed: syntax error at or near "TABEL"',
    );
    expect(await pendingMigrations(unbound(), [...migrations, ...added])).toEqual([
      "api/0008-right",
      "api/0009-wrong",
    ]);
  });

  test("rejects a migration that was edited after it ran, by its name", async () => {
    const [first, ...others] = migrations;
    if (first === undefined) throw new Error("there are no migrations");
    const edited = [{ ...first, checksum: "another" }, ...others];
    await expect(migrate(unbound(), edited)).rejects.toThrow(`migration ${first.name} was changed`);
  });
});

describe("an index that is made outside a transaction", () => {
  const name = "api/0008-index";
  const sql = "-- outside a transaction\nCREATE UNIQUE INDEX CONCURRENTLY things_size ON things (size)";
  const things = { name: "api/0007-things", sql: "CREATE TABLE things (size integer)", checksum: "1" };
  const after = { name: "api/0009-after", sql: "ALTER TABLE things ADD COLUMN more integer", checksum: "3" };
  const all = (): Migration[] => [...migrations, things, { name, sql, checksum: "2" }, after];
  const isValid = () =>
    pool.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_size'::regclass");

  beforeEach(open);
  afterEach(close);

  test("runs in its turn, while other processes wait", async () => {
    const ran = await Promise.all([1, 2, 3].map(() => migrate(unbound(), all())));
    expect(ran.flat().sort()).toEqual(
      all()
        .map((each) => each.name)
        .sort(),
    );
    expect(await isValid()).toEqual([{ indisvalid: true }]);
  });

  test("that failed is made again, without its invalid remains", async () => {
    await migrate(unbound(), [...migrations, things]);
    await pool.query("INSERT INTO things VALUES (1), (1)");
    await expect(migrate(unbound(), all())).rejects.toThrow(`migration ${name} failed: could not create`);
    expect(await isValid()).toEqual([{ indisvalid: false }]);
    await pool.query("DELETE FROM things");
    expect(await migrate(unbound(), all())).toEqual([name, after.name]);
    expect(await isValid()).toEqual([{ indisvalid: true }]);
  });
});

describe("processes of the previous level, during a rolling update,", () => {
  const alice = "alice";

  beforeAll(async () => {
    await open();
    await migrate(unbound(), ofLevelBefore());
    await migrate(unbound(), migrations);
  });
  afterAll(close);

  test("create, publish and revoke keys on the new schema", async () => {
    await pool.query(before.INSERT_KEY, ["key", "hash", alice, "", ["orders:read"], null]);
    const snapshot = await pool.query<{ version: string }>(before.KEY_SNAPSHOT);
    expect(snapshot).toMatchObject([{ id: "key", principal: alice, scopes: ["orders:read"] }]);
    expect(await pool.query(before.REVOKE_KEY, ["key"])).toHaveLength(1);
    const [after] = await pool.query<{ version: string }>(before.KEY_SNAPSHOT);
    expect(after?.version).not.toBe(snapshot[0]?.version);
  });

  test("make a write with an idempotency key once on the new schema", async () => {
    const claim = [alice, "key", "fingerprint", "1"];
    expect(await pool.query(before.CLAIM_IDEMPOTENCY_KEY, claim)).toMatchObject([{ claimed: true }]);
    await pool.query(before.STORE_ANSWER, [alice, "key", "answer"]);
    const again = await pool.query(before.CLAIM_IDEMPOTENCY_KEY, claim);
    expect(again).toMatchObject([{ claimed: false, fingerprint: "fingerprint", answer: "answer" }]);
    await pool.query("UPDATE idempotency_records SET expires_at = now()");
    expect(await pool.query(before.REMOVE_EXPIRED, [10])).toEqual([{ key: "key" }]);
  });
});

describe("the database of the configuration is used, whatever the shell's variables of PostgreSQL say,", () => {
  const shell = {
    PGSSLMODE: "require",
    PGOPTIONS: "-c search_path=nowhere",
    PGHOST: "127.0.0.2",
    PGPORT: "9",
  };
  beforeAll(open);
  afterAll(close);

  test.each([
    ["by npm run migrate", ["src/ops/admin.ts", "migrate", "--external"]],
    ["by the origin's own command", ["src/origin/main.ts", "migrate"]],
  ])("%s", async (_, command) => {
    const { stdout } = await promisify(execFile)(process.execPath, command, {
      cwd: projectFolder,
      env: { ...childEnvironment(), ...valid, DATABASE_URL: database.url, ...shell },
    });
    expect(stdout).not.toBe("");
    expect(await pendingMigrations(unbound(), migrations)).toEqual([]);
  });
});
