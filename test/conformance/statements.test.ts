import { expect, onTestFinished, test } from "vitest";
import { unboundScope } from "../../src/origin/db/database.ts";
import { StatementError } from "../../src/origin/db/errors.ts";
import { describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { reading, writing } from "./support/requests.ts";
import { failureOf, until } from "./support/waiting.ts";

describeDatabases((fixture, driver) => {
  test("values are returned as their JavaScript counterparts", async () => {
    const database = fixture().connect().within(reading());
    const counterparts: [expression: string, value: unknown][] = [
      ["9007199254740991::int8", 9007199254740991],
      ["7::int4", 7],
      ["1.5::float8", 1.5],
      ["true", true],
      ["'2026-07-22T10:11:12.345Z'::timestamptz", new Date("2026-07-22T10:11:12.345Z")],
      [`ARRAY['a','b,"c"',NULL]::text[]`, ["a", 'b,"c"', null]],
      ["ARRAY[1,2,3]::int4[]", [1, 2, 3]],
      ["'6f1c2b5e-8f6d-4b0e-9d57-0c8c0a6c4a11'::uuid", "6f1c2b5e-8f6d-4b0e-9d57-0c8c0a6c4a11"],
      ["NULL::text", null],
      [`'{"a":[1,null,"ü"]}'::jsonb`, { a: [1, null, "ü"] }],
      ["''::text", ""],
    ];
    const columns = counterparts.map(([expression], index) => `${expression} AS c${index}`);
    const [row = {}] = await database.query(`SELECT ${columns}`);
    expect(Object.values(row)).toEqual(counterparts.map(([, value]) => value));
  });

  test("values do not depend on the settings of the role or the database", async () => {
    const { admin, databaseName, connect } = fixture();
    const settings = {
      DateStyle: "German, DMY",
      IntervalStyle: "sql_standard",
      TimeZone: "Asia/Kolkata",
      extra_float_digits: "-10",
      standard_conforming_strings: "off",
    };
    for (const [name, value] of Object.entries(settings))
      await admin(`ALTER DATABASE ${databaseName} SET ${name} = '${value}'`);
    onTestFinished(async () => {
      for (const name of Object.keys(settings)) await admin(`ALTER DATABASE ${databaseName} RESET ${name}`);
    });
    const text = `SELECT '2026-07-08T22:11:12.345Z'::timestamptz AS at, date '2026-07-08'::text AS date,
      '03/04/2026'::date::text AS slashes, '2026-07-08T22:11:12Z'::timestamptz::date::text AS day,
      0.1::float8 + 0.2::float8 AS sum, interval '1 day 2 hours'::text AS interval, 'a\\b' AS backslash`;
    const expected = {
      at: new Date("2026-07-08T22:11:12.345Z"),
      date: "2026-07-08",
      slashes: "2026-03-04",
      day: "2026-07-08",
      sum: 0.1 + 0.2,
      interval: "1 day 02:00:00",
      backslash: "a\\b",
    };
    const pool = connect();
    expect(await pool.within(reading()).query(text)).toEqual([expected]);
    expect(await pool.within(writing()).query(text)).toEqual([expected]);
    for (const scope of [writing(), unboundScope("migrations")]) {
      const inTransaction = pool.within(scope).transaction((transaction) => transaction.query(text));
      expect(await inTransaction).toEqual([expected]);
    }
  });

  test("parameters arrive unchanged", async () => {
    const database = fixture().connect().within(reading());
    const awkward = [
      "",
      "'; DROP TABLE x; --",
      '"quoted"',
      "\\ back\\slash",
      "日本語 🦫",
      "a\nb\tc",
      "{1,2}",
      "NULL",
    ];
    for (const text of awkward)
      expect(await database.query("SELECT $1::text AS text", [text])).toEqual([{ text }]);
    const values = [awkward, [1, -2], false, null, -9007199254740991];
    const [row = {}] = await database.query(
      "SELECT $1::text[] AS texts, $2::int4[] AS ints, $3::bool AS flag, $4::text AS nothing, $5::int8 AS n",
      values,
    );
    expect(Object.values(row)).toEqual(values);
  });

  test("a statement without rows returns an empty list, and RETURNING returns the written rows", async () => {
    const table = await fixture().createTable((name) => `id int8 CONSTRAINT ${name}_key PRIMARY KEY`);
    const pool = fixture().connect();
    expect(await pool.within(reading()).query(`SELECT id FROM ${table}`)).toEqual([]);
    const database = pool.within(writing());
    expect(await database.query(`INSERT INTO ${table} VALUES ($1)`, [1])).toEqual([]);
    const inserted = await database.query(`INSERT INTO ${table} VALUES ($1), ($2) RETURNING id`, [2, 3]);
    expect(inserted).toEqual([{ id: 2 }, { id: 3 }]);
    expect(await database.query(`DELETE FROM ${table} WHERE id = $1 RETURNING id`, [99])).toEqual([]);
  });

  test("a rejected statement is a StatementError with its code, and the connections remain usable", async () => {
    const table = await fixture().createTable((name) => `id int8 CONSTRAINT ${name}_key PRIMARY KEY`);
    const statement = `INSERT INTO ${table} VALUES ($1)`;
    const pool = fixture().connect({ maxConnections: 2 });
    const database = pool.within(writing());
    await database.query(statement, [1]);
    const totalBefore = pool.usage().total;
    for (let time = 0; time < 5; time += 1) {
      const { error } = await failureOf(database.query(statement, [1]));
      expect(error).toBeInstanceOf(StatementError);
      expect(error).toMatchObject({ code: "23505", constraint: `${table}_key`, statement });
      for (const scope of [reading(), writing()])
        await expect(pool.within(scope).query("SELEKT 1")).rejects.toMatchObject({ code: "42601" });
    }
    expect(pool.usage()).toEqual({ total: totalBefore, idle: totalBefore, waiting: 0 });
    expect(await database.query(`SELECT count(*) AS count FROM ${table}`)).toEqual([{ count: 1 }]);
  });

  test("a statement that failed for lack of a table succeeds once the table exists", async () => {
    const pool = fixture().connect();
    const text = "SELECT id FROM not_there_yet WHERE id = $1";
    const everywhere = () =>
      Promise.allSettled(
        Array.from({ length: 12 }, (_, n) => pool.within(n % 2 ? reading() : writing()).query(text, [1])),
      );
    for (const outcome of await everywhere()) expect(outcome).toMatchObject({ reason: { code: "42P01" } });
    await pool.query("CREATE TABLE not_there_yet AS SELECT 1::int8 AS id");
    for (const outcome of await everywhere()) expect(outcome).toMatchObject({ value: [{ id: 1 }] });
  });

  test("a changed table does not fail the next read", async () => {
    const pool = fixture().connect();
    await pool.query("CREATE TABLE changing AS SELECT 1::int4 AS id, 'a'::text AS name");
    const text = "SELECT * FROM changing";
    const everywhere = () =>
      Promise.all([
        ...Array.from({ length: 6 }, () => pool.within(reading()).query(text)),
        ...Array.from({ length: 6 }, () => pool.within(writing()).query(text)),
        ...Array.from({ length: 3 }, () => pool.within(writing()).transaction((inner) => inner.query(text))),
      ]);
    await everywhere();
    for (const [change, row] of [
      ["ADD COLUMN extra bool", { id: 1, name: "a", extra: null }],
      ["ALTER COLUMN id TYPE text", { id: "1", name: "a", extra: null }],
      ["DROP COLUMN extra", { id: "1", name: "a" }],
    ] as const) {
      await fixture().admin(`ALTER TABLE changing ${change}`);
      for (const rows of await everywhere()) expect(rows).toEqual([row]);
    }
  });

  test("statements cannot begin or end transactions", async () => {
    const pool = fixture().connect();
    const begins = ["BEGIN", "-- now\nBEGIN", "START TRANSACTION", "SAVEPOINT a"];
    for (const text of [...begins, " commit", "/* now */ ROLLBACK", "; abort", "End"]) {
      for (const scope of [reading(), writing()]) {
        await expect(pool.within(scope).query(text), text).rejects.toThrow(TypeError);
        const transaction = pool.within(scope).transaction((inner) => inner.query(text));
        await expect(transaction, text).rejects.toThrow(TypeError);
      }
    }
    expect(await pool.within(writing()).query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a slow statement is logged with its route and text, without its values", async () => {
    const { connect, logLines } = fixture();
    const mark = uniqueMark();
    const pool = connect({ slowStatementMs: 1_000 });
    const scope = reading(10_000, "slow.route");
    await pool.within(scope).query(`SELECT pg_sleep(1.2),\n  $1::text AS ${mark}`, ["secret-value"]);
    await pool.within(writing()).query(`SELECT 1 AS quick_${mark}`);
    const lines = logLines.filter((line) => line.includes(mark) && line.includes("slow statement"));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      route: "slow.route",
      statement: `SELECT pg_sleep(1.2), $1::text AS ${mark}`,
      durationMs: expect.any(Number),
    });
    expect(logLines.join("")).not.toContain("secret-value");
  });

  test("statements beyond the limit of prepared ones still run", async () => {
    const database = fixture().connect({ maxConnections: 2 }).within(reading());
    const expectAll = (numbers: readonly number[]) =>
      Promise.all(
        numbers.map(async (n) => expect(await database.query(`SELECT ${n} AS n`)).toEqual([{ n }])),
      );
    for (let from = 0; from < 1_100; from += 100)
      await expectAll(Array.from({ length: 100 }, (_, index) => from + index));
    await expectAll([0, 1_099]);
  });

  test("warmUp() opens the minimum number of connections", async () => {
    const pool = fixture().connect({ minConnections: 3 });
    await pool.warmUp();
    expect(pool.usage()).toEqual({ total: 3, idle: 3, waiting: 0 });
  });

  test("close() ends all connections", async () => {
    const { connect, admin, databaseName } = fixture();
    const pool = connect();
    const scope = unboundScope("closing");
    await Promise.all(Array.from({ length: 4 }, () => pool.within(scope).query("SELECT pg_sleep(0.05)")));
    await pool.close();
    expect(pool.usage()).toMatchObject({ total: 0, idle: 0 });
    await expect(pool.within(scope).query("SELECT 1")).rejects.toThrow();
    if (driver.pooled) return;
    await until(async () => {
      const left = await admin(
        "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND application_name = 'breakwater-origin'",
        [databaseName],
      );
      return left.length === 0;
    });
  });
});
