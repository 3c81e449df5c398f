import { expect, test } from "vitest";
import { unboundScope } from "../../src/origin/db/database.ts";
import { StatementError } from "../../src/origin/db/errors.ts";
import { describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { failureOf, until } from "./support/poll.ts";
import { reading, testScope, writing } from "./support/scope.ts";

describeDatabases((fixture) => {
  test("values are returned as their JavaScript counterparts", async () => {
    const database = fixture().connect().within(reading());
    const [row] = await database.query(
      `SELECT 9007199254740991::int8 AS int8, 7::int4 AS int4, 1.5::float8 AS float8, true AS bool,
         '2026-07-22T10:11:12.345Z'::timestamptz AS at, ARRAY['a','b,"c"',NULL]::text[] AS texts,
         ARRAY[1,2,3]::int4[] AS ints, '6f1c2b5e-8f6d-4b0e-9d57-0c8c0a6c4a11'::uuid AS uuid, NULL::text AS nothing,
         '{"a":[1,null,"ü"]}'::jsonb AS json, ''::text AS empty`,
    );
    expect(row).toEqual({
      int8: 9007199254740991,
      int4: 7,
      float8: 1.5,
      bool: true,
      at: new Date("2026-07-22T10:11:12.345Z"),
      texts: ["a", 'b,"c"', null],
      ints: [1, 2, 3],
      uuid: "6f1c2b5e-8f6d-4b0e-9d57-0c8c0a6c4a11",
      nothing: null,
      json: { a: [1, null, "ü"] },
      empty: "",
    });
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
    for (const text of awkward) {
      expect(await database.query("SELECT $1::text AS text", [text])).toEqual([{ text }]);
    }
    expect(
      await database.query(
        "SELECT $1::text[] AS texts, $2::int4[] AS ints, $3::bool AS flag, $4::text AS nothing, $5::int8 AS n",
        [awkward, [1, -2], false, null, -9007199254740991],
      ),
    ).toEqual([{ texts: awkward, ints: [1, -2], flag: false, nothing: null, n: -9007199254740991 }]);
  });

  test("a statement without rows returns an empty list, and RETURNING returns the written rows", async () => {
    const pool = fixture().connect();
    await pool.query("CREATE TABLE returning_table (id int8 PRIMARY KEY, name text NOT NULL)");
    expect(await pool.within(reading()).query("SELECT id FROM returning_table")).toEqual([]);
    const database = pool.within(writing());
    expect(await database.query("INSERT INTO returning_table VALUES ($1, $2)", [1, "a"])).toEqual([]);
    expect(
      await database.query("INSERT INTO returning_table VALUES ($1, $2), ($3, $4) RETURNING id, name", [
        2,
        "b",
        3,
        "c",
      ]),
    ).toEqual([
      { id: 2, name: "b" },
      { id: 3, name: "c" },
    ]);
    expect(await database.query("DELETE FROM returning_table WHERE id = $1 RETURNING id", [99])).toEqual([]);
  });

  test("a rejected statement is a StatementError with its code, and the connections remain usable", async () => {
    const pool = fixture().connect({ maxConnections: 2 });
    await pool.query("CREATE TABLE refusing (id int8 CONSTRAINT refusing_key PRIMARY KEY)");
    const database = pool.within(writing());
    await database.query("INSERT INTO refusing VALUES ($1)", [1]);
    const totalBefore = pool.usage().total;
    for (let time = 0; time < 5; time += 1) {
      const taken = await failureOf(database.query("INSERT INTO refusing VALUES ($1)", [1]));
      expect(taken.error).toBeInstanceOf(StatementError);
      expect(taken.error).toMatchObject({ code: "23505", constraint: "refusing_key" });
      expect(taken.error).toMatchObject({ statement: "INSERT INTO refusing VALUES ($1)" });
      for (const scope of [reading(), writing()]) {
        const wrong = await failureOf(pool.within(scope).query("SELEKT 1"));
        expect(wrong.error).toBeInstanceOf(StatementError);
        expect(wrong.error).toMatchObject({ code: "42601" });
      }
    }
    expect(pool.usage()).toEqual({ total: totalBefore, idle: totalBefore, waiting: 0 });
    expect(await database.query("SELECT count(*) AS count FROM refusing")).toEqual([{ count: 1 }]);
  });

  test("a statement that failed for lack of a table succeeds once the table exists", async () => {
    const pool = fixture().connect();
    const text = "SELECT id FROM not_there_yet WHERE id = $1";
    const failures = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        failureOf(pool.within(index % 2 ? reading() : writing()).query(text, [1])),
      ),
    );
    for (const { error } of failures) expect(error).toMatchObject({ code: "42P01" });
    await pool.query("CREATE TABLE not_there_yet AS SELECT 1::int8 AS id");
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        pool.within(index % 2 ? reading() : writing()).query(text, [1]),
      ),
    );
    for (const answer of answers) expect(answer).toEqual([{ id: 1 }]);
  });

  test("a changed table does not fail the next read", async () => {
    const pool = fixture().connect();
    await pool.query("CREATE TABLE changing AS SELECT 1::int4 AS id, 'a'::text AS name");
    const text = "SELECT * FROM changing";
    const everywhere = async (): Promise<unknown[]> =>
      await Promise.all([
        ...Array.from({ length: 6 }, () => pool.within(reading()).query(text)),
        ...Array.from({ length: 6 }, () => pool.within(writing()).query(text)),
        ...Array.from({ length: 3 }, () => pool.within(writing()).transaction((inner) => inner.query(text))),
      ]);
    const changes = [
      { by: "ALTER TABLE changing ADD COLUMN extra bool", gives: { id: 1, name: "a", extra: null } },
      { by: "ALTER TABLE changing ALTER COLUMN id TYPE text", gives: { id: "1", name: "a", extra: null } },
      { by: "ALTER TABLE changing DROP COLUMN extra", gives: { id: "1", name: "a" } },
    ];
    await everywhere();
    for (const { by, gives } of changes) {
      await fixture().admin(by);
      for (const rows of await everywhere()) expect(rows).toEqual([gives]);
    }
  });

  test("statements cannot begin or end transactions", async () => {
    const pool = fixture().connect();
    const texts = [
      "BEGIN",
      " commit",
      "/* now */ ROLLBACK",
      "-- now\nBEGIN",
      "; abort",
      "START TRANSACTION",
      "SAVEPOINT a",
      "End",
    ];
    for (const text of texts) {
      for (const scope of [reading(), writing()]) {
        await expect(pool.within(scope).query(text), text).rejects.toThrow(TypeError);
        await expect(
          pool.within(scope).transaction((inner) => inner.query(text)),
          text,
        ).rejects.toThrow(TypeError);
      }
    }
    expect(await pool.within(writing()).query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a slow statement is logged with its route and text, without its values", async () => {
    const { connect, logLines } = fixture();
    const mark = uniqueMark();
    const pool = connect({ slowStatementMs: 1_000 });
    const scope = testScope({ name: "slow.route", readOnly: true });
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
    const batch = Array.from({ length: 100 }, (_, index) => index);
    for (let from = 0; from < 1_100; from += batch.length) {
      const answers = await Promise.all(
        batch.map((number) => database.query(`SELECT ${from + number} AS n`)),
      );
      expect(answers).toEqual(batch.map((number) => [{ n: from + number }]));
    }
    for (const number of [0, 1_099])
      expect(await database.query(`SELECT ${number} AS n`)).toEqual([{ n: number }]);
  });

  test("warmUp() opens the minimum number of connections", async () => {
    const pool = fixture().connect({ minConnections: 3 });
    await pool.warmUp();
    expect(pool.usage()).toEqual({ total: 3, idle: 3, waiting: 0 });
  });

  test("close() ends all connections", async () => {
    const { connect, admin, databaseName, driver } = fixture();
    const pool = connect();
    const scope = unboundScope("closing");
    await Promise.all(Array.from({ length: 4 }, () => pool.within(scope).query("SELECT pg_sleep(0.05)")));
    await pool.close();
    expect(pool.usage()).toMatchObject({ total: 0, idle: 0 });
    await expect(pool.within(scope).query("SELECT 1")).rejects.toThrow();
    if (driver.pooled) return;
    await until("no connection is left", async () => {
      const left = await admin(
        "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND application_name = 'breakwater-origin'",
        [databaseName],
      );
      return left.length === 0;
    });
  });
});
