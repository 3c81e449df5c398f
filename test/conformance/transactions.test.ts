import { describe, expect, test } from "vitest";
import type { Database, Transaction } from "../../src/origin/db/database.ts";
import { StatementError } from "../../src/origin/db/errors.ts";
import { describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { reading, writing } from "./support/requests.ts";
import { failureOf, meeting } from "./support/waiting.ts";

const numbersIn = async (database: Database, table: string): Promise<number[]> =>
  (await database.query<{ n: number }>(`SELECT n FROM ${table} ORDER BY n`)).map(({ n }) => n);

class Refusal extends Error {}

describeDatabases((fixture) => {
  const newTable = async () => {
    const pool = fixture().connect();
    const table = await fixture().createTable((name) => `n int8 CONSTRAINT positive_${name} CHECK (n > 0)`);
    const insert = (n: number, into: Database) => into.query(`INSERT INTO ${table} VALUES ($1)`, [n]);
    return { table, insert, database: pool.within(writing()), usage: pool.usage };
  };

  test("a transaction commits, and returns the result of its work", async () => {
    const { table, insert, database } = await newTable();
    const result = await database.transaction(async (transaction) => {
      await insert(1, transaction);
      await transaction.script(`INSERT INTO ${table} VALUES (2); INSERT INTO ${table} VALUES (3)`);
      expect(await numbersIn(transaction, table)).toEqual([1, 2, 3]);
      return "done";
    });
    expect(result).toBe("done");
    expect(await numbersIn(database, table)).toEqual([1, 2, 3]);
  });

  test("a transaction may begin with a script, or send nothing", async () => {
    const { table, database } = await newTable();
    await database.transaction((transaction) => transaction.script(`INSERT INTO ${table} VALUES (1)`));
    expect(await database.transaction(async () => "ignored")).toBe("ignored");
    const failing = database.transaction(async (transaction) => {
      await transaction.script(`INSERT INTO ${table} VALUES (2)`);
      throw new Refusal("no");
    });
    await expect(failing).rejects.toThrow(Refusal);
    expect(await numbersIn(database, table)).toEqual([1]);
  });

  test("a transaction whose work throws is rolled back, and its connection is reused", async () => {
    const { table, insert, database, usage } = await newTable();
    expect(await numbersIn(database, table)).toEqual([]);
    const before = usage();
    for (let time = 0; time < 3; time += 1) {
      const failing = database.transaction(async (transaction) => {
        await insert(1, transaction);
        throw new Refusal("out of stock");
      });
      await expect(failing).rejects.toThrow(Refusal);
    }
    expect(await numbersIn(database, table)).toEqual([]);
    expect(usage()).toEqual(before);
  });

  test("a nested transaction is a savepoint", async () => {
    const { table, insert, database } = await newTable();
    await database.transaction(async (outer) => {
      await insert(1, outer);
      const failing = outer.transaction(async (inner) => {
        await insert(2, inner);
        await inner.transaction((innermost) => insert(3, innermost));
        await insert(-1, inner);
      });
      await expect(failing).rejects.toMatchObject({ code: "23514", constraint: `positive_${table}` });
      await outer.transaction((inner) => insert(4, inner));
      await insert(5, outer);
    });
    expect(await numbersIn(database, table)).toEqual([1, 4, 5]);
  });

  test("a transaction may begin with a savepoint", async () => {
    const { table, insert, database } = await newTable();
    await database.transaction(async (outer) => {
      await expect(outer.transaction((inner) => insert(-1, inner))).rejects.toThrow(StatementError);
      await outer.transaction((inner) => insert(1, inner));
    });
    expect(await numbersIn(database, table)).toEqual([1]);
  });

  test("concurrent savepoints roll back only their own statements", async () => {
    const { table, insert, database } = await newTable();
    await database.transaction(async (outer) => {
      const outcomes = await Promise.allSettled(
        [1, -1, 2].map((n) => outer.transaction((inner) => insert(n, inner))),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    });
    expect(await numbersIn(database, table)).toEqual([1, 2]);
  });

  // The first statement, on which all others depend, and later ones.
  test.each([
    [[-1, 1]],
    [[1, -1]],
    [[1, -1, 2]],
  ])("a transaction whose work ignores a failure does not commit: %j", async (values) => {
    const { table, insert, database } = await newTable();
    const failing = database.transaction(async (transaction) => {
      for (const value of values) await insert(value, transaction).catch(() => undefined);
    });
    const { error } = await failureOf(failing);
    expect(error).toBeInstanceOf(StatementError);
    expect(error).toMatchObject({ code: "23514" });
    expect(await numbersIn(database, table)).toEqual([]);
  });

  // Behind COMMIT alone, and behind a statement that fails only because the transaction has failed.
  test.each([
    0, 1, 12,
  ])("a failed statement that was not awaited is the failure of its transaction, %i behind it", async (after) => {
    const { table, insert, database } = await newTable();
    const failing = database.transaction(async (transaction) => {
      await insert(1, transaction);
      insert(-1, transaction).catch(() => undefined);
      for (let n = 0; n < after; n += 1) await insert(2, transaction);
    });
    await expect(failing).rejects.toMatchObject({ code: "23514" });
    expect(await numbersIn(database, table)).toEqual([]);
  });

  test("a transaction is retried after a concurrency failure of a statement that was not awaited", async () => {
    const { table, insert, database } = await newTable();
    const mark = uniqueMark();
    await fixture().admin(`CREATE SEQUENCE ${mark}_runs;
      CREATE FUNCTION ${mark}() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('${mark}_runs') <= 2 THEN RAISE SQLSTATE '40001'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER fails_twice BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${mark}()`);
    await database.transaction(async (transaction) => {
      await transaction.query("SELECT 1");
      insert(1, transaction).catch(() => undefined);
    });
    expect(await numbersIn(database, table)).toEqual([1]);
  });

  describe("two statements in one round trip", () => {
    const twoOf = async () => {
      const made = await newTable();
      const add = (n: number) => ({ text: `INSERT INTO ${made.table} VALUES ($1) RETURNING n`, values: [n] });
      const double = { text: `INSERT INTO ${made.table} SELECT -2 * min(n) FROM ${made.table}`, values: [] };
      const read = { text: `SELECT n FROM ${made.table} ORDER BY n`, values: [] };
      return { ...made, add, double, read };
    };

    test("commit together, and the second sees what the first has done", async () => {
      const { table, database, add, read, insert } = await twoOf();
      const both = await database.transaction((transaction) => transaction.queryBoth(add(1), read));
      expect(both).toEqual([[{ n: 1 }], [{ n: 1 }]]);
      const late = database.transaction(async (transaction) => {
        await transaction.queryBoth(add(2), read);
        await insert(3, transaction);
      });
      await expect(late).rejects.toThrow("the transaction is over");
      expect(await numbersIn(database, table)).toEqual([1, 2]);
    });

    test.each(["throws", "ignores"])("fail together, whether the work %s the failure", async (manner) => {
      const { table, database, usage, add, double } = await twoOf();
      const before = usage();
      const failing = database.transaction(async (transaction) => {
        const both = transaction.queryBoth(add(1), double);
        await (manner === "ignores" ? both.catch(() => undefined) : both);
      });
      await expect(failing).rejects.toMatchObject({ code: "23514" });
      expect(await numbersIn(database, table)).toEqual([]);
      expect(usage().total - usage().idle).toBe(before.total - before.idle);
    });

    test("are a part of a transaction that has begun", async () => {
      const { table, database, insert, add, read } = await twoOf();
      const failing = database.transaction(async (transaction) => {
        await insert(1, transaction);
        expect(await transaction.queryBoth(add(2), read)).toEqual([[{ n: 2 }], [{ n: 1 }, { n: 2 }]]);
        await insert(3, transaction);
        throw new Refusal("no");
      });
      await expect(failing).rejects.toThrow(Refusal);
      expect(await numbersIn(database, table)).toEqual([]);
    });

    test("cannot write in a reading request", async () => {
      const { add, read } = await twoOf();
      const failing = fixture()
        .connect()
        .within(reading())
        .transaction((transaction) => transaction.queryBoth(add(1), read));
      await expect(failing).rejects.toMatchObject({ code: "25006" });
    });
  });

  test("statements sent together run in order, and fail together", async () => {
    const { table, database } = await newTable();
    const insertNext = `INSERT INTO ${table} SELECT $1::int8 WHERE $1 <= 0 OR $1 = 1 + (SELECT count(*) FROM ${table})`;
    const sendTogether = (values: readonly number[]) =>
      database.transaction((transaction) =>
        Promise.all(values.map((value) => transaction.query(insertNext, [value]))),
      );
    const sequence = Array.from({ length: 30 }, (_, index) => index + 1);
    await sendTogether(sequence);
    expect(await numbersIn(database, table)).toEqual(sequence);
    await expect(sendTogether([31, -1, 32])).rejects.toMatchObject({ code: "23514" });
    expect(await numbersIn(database, table)).toEqual(sequence);
  });

  test("a statement sent after the end of its transaction reaches no other transaction", async () => {
    const { table, insert, database } = await newTable();
    let earlier: Transaction | undefined;
    await database.transaction(async (transaction) => {
      await insert(1, transaction);
      earlier = transaction;
    });
    await database.transaction(async (other) => {
      await insert(3, other);
      await expect(insert(2, earlier ?? other)).rejects.toThrow("the transaction is over");
    });
    expect(await numbersIn(database, table)).toEqual([1, 3]);
  });

  test("a deferred constraint that fails at COMMIT is a StatementError", async () => {
    const { database } = await newTable();
    const table = await fixture().createTable(
      (name) => `n int8 CONSTRAINT ${name}_key UNIQUE DEFERRABLE INITIALLY DEFERRED`,
    );
    const failing = database.transaction((transaction) =>
      transaction.query(`INSERT INTO ${table} VALUES (1), (1)`),
    );
    await expect(failing).rejects.toMatchObject({ code: "23505", constraint: `${table}_key` });
    expect(await numbersIn(database, table)).toEqual([]);
  });

  test("a reading request's transaction cannot write", async () => {
    const { table, insert } = await newTable();
    const database = fixture().connect().within(reading());
    const failing = database.transaction((transaction) => insert(1, transaction));
    await expect(failing).rejects.toMatchObject({ code: "25006" });
    expect(await database.transaction((transaction) => numbersIn(transaction, table))).toEqual([]);
  });

  test("write skew under serializable is retried, and both transactions succeed", async () => {
    const { table, insert, database } = await newTable();
    for (const n of [1, 2]) await insert(n, database);
    const bothHaveRead = meeting(2);
    let runs = 0;
    const run = (add: number): Promise<void> =>
      database.transaction(async (transaction) => {
        runs += 1;
        await transaction.script("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
        const seen = await numbersIn(transaction, table);
        await bothHaveRead();
        await insert(seen.length * 10 + add, transaction);
      });
    await Promise.all([run(1), run(2)]);
    expect(runs).toBeGreaterThanOrEqual(3);
    const [, , first, second] = await numbersIn(database, table);
    // The second to commit has read the first one's row.
    expect([first, second]).toSatisfy((pair: number[]) => pair.join() === "21,32" || pair.join() === "22,31");
  });

  test("deadlocked transactions are retried, and both succeed", async () => {
    const { admin, connect } = fixture();
    const pool = connect();
    const table = uniqueMark();
    await admin(`CREATE TABLE ${table} AS SELECT id, 0 AS n FROM generate_series(1, 2) id`);
    const bothHaveLocked = meeting(2);
    let runs = 0;
    const run = (...ids: readonly [number, number]): Promise<void> =>
      pool.within(writing()).transaction(async (transaction) => {
        runs += 1;
        for (const id of ids) {
          await transaction.query(`UPDATE ${table} SET n = n + 1 WHERE id = $1`, [id]);
          await bothHaveLocked();
        }
      });
    await Promise.all([run(1, 2), run(2, 1)]);
    expect(runs).toBeGreaterThanOrEqual(3);
    expect(await admin(`SELECT n FROM ${table} ORDER BY id`)).toEqual([{ n: 2 }, { n: 2 }]);
  });
});
