import { expect, test } from "vitest";
import type { Database, Transaction } from "../../src/origin/db/database.ts";
import { StatementError } from "../../src/origin/db/errors.ts";
import { describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { failureOf, gate, meeting } from "./support/poll.ts";
import { reading, writing } from "./support/scope.ts";

const numbersIn = async (database: Database, table: string): Promise<number[]> =>
  (await database.query<{ n: number }>(`SELECT n FROM ${table} ORDER BY n`)).map(({ n }) => n);

class Refusal extends Error {}

describeDatabases((fixture) => {
  const newTable = async (): Promise<{ table: string; database: Database; usage: () => object }> => {
    const pool = fixture().connect();
    const table = uniqueMark();
    await pool.query(`CREATE TABLE ${table} (n int8 CONSTRAINT positive_${table} CHECK (n > 0))`);
    return { table, database: pool.within(writing()), usage: pool.usage };
  };

  test("a transaction commits, and returns the result of its work", async () => {
    const { table, database } = await newTable();
    const result = await database.transaction(async (transaction) => {
      await transaction.query(`INSERT INTO ${table} VALUES ($1)`, [1]);
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
    const { error } = await failureOf(
      database.transaction(async (transaction) => {
        await transaction.script(`INSERT INTO ${table} VALUES (2)`);
        throw new Refusal("no");
      }),
    );
    expect(error).toBeInstanceOf(Refusal);
    expect(await numbersIn(database, table)).toEqual([1]);
  });

  test("a transaction whose work throws is rolled back, and its connection is reused", async () => {
    const { table, database, usage } = await newTable();
    const before = usage();
    for (let time = 0; time < 3; time += 1) {
      const { error } = await failureOf(
        database.transaction(async (transaction) => {
          await transaction.query(`INSERT INTO ${table} VALUES ($1)`, [1]);
          throw new Refusal("out of stock");
        }),
      );
      expect(error).toBeInstanceOf(Refusal);
    }
    expect(await numbersIn(database, table)).toEqual([]);
    expect(usage()).toEqual(before);
  });

  test("a nested transaction is a savepoint", async () => {
    const { table, database } = await newTable();
    await database.transaction(async (outer) => {
      await outer.query(`INSERT INTO ${table} VALUES (1)`);
      const { error } = await failureOf(
        outer.transaction(async (inner) => {
          await inner.query(`INSERT INTO ${table} VALUES (2)`);
          await inner.transaction((innermost) => innermost.query(`INSERT INTO ${table} VALUES (3)`));
          await inner.query(`INSERT INTO ${table} VALUES (-1)`);
        }),
      );
      expect(error).toMatchObject({ code: "23514", constraint: `positive_${table}` });
      await outer.transaction((inner) => inner.query(`INSERT INTO ${table} VALUES (4)`));
      await outer.query(`INSERT INTO ${table} VALUES (5)`);
    });
    expect(await numbersIn(database, table)).toEqual([1, 4, 5]);
  });

  test("a transaction may begin with a savepoint", async () => {
    const { table, database } = await newTable();
    await database.transaction(async (outer) => {
      await failureOf(outer.transaction((inner) => inner.query(`INSERT INTO ${table} VALUES (-1)`)));
      await outer.transaction((inner) => inner.query(`INSERT INTO ${table} VALUES (1)`));
    });
    expect(await numbersIn(database, table)).toEqual([1]);
  });

  test("concurrent savepoints roll back only their own statements", async () => {
    const { table, database } = await newTable();
    await database.transaction(async (outer) => {
      const insert = (n: number) => (inner: Transaction) => inner.query(`INSERT INTO ${table} VALUES (${n})`);
      const outcomes = await Promise.allSettled([1, -1, 2].map((n) => outer.transaction(insert(n))));
      expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    });
    expect(await numbersIn(database, table)).toEqual([1, 2]);
  });

  test("a transaction whose work ignores a failure does not commit", async () => {
    const { table, database } = await newTable();
    const passing = [
      // In the first statement, on which all others depend, and in later ones.
      [-1, 1],
      [1, -1],
      [1, -1, 2],
    ];
    for (const values of passing) {
      const { error } = await failureOf(
        database.transaction(async (transaction) => {
          for (const value of values) {
            await transaction.query(`INSERT INTO ${table} VALUES ($1)`, [value]).catch(() => undefined);
          }
          return "committed";
        }),
      );
      expect(error).toBeInstanceOf(StatementError);
      expect(error).toMatchObject({ code: "23514" });
      expect(await numbersIn(database, table)).toEqual([]);
    }
  });

  test("statements sent together run in order, and fail together", async () => {
    const { table, database } = await newTable();
    const send = (transaction: Transaction, values: readonly number[]): Promise<unknown> =>
      Promise.all(
        values.map((value) =>
          transaction.query(
            `INSERT INTO ${table} SELECT $1::int8 WHERE $1 <= 0 OR $1 = 1 + (SELECT count(*) FROM ${table})`,
            [value],
          ),
        ),
      );
    const sequence = Array.from({ length: 30 }, (_, index) => index + 1);
    await database.transaction((transaction) => send(transaction, sequence));
    expect(await numbersIn(database, table)).toEqual(sequence);
    const { error } = await failureOf(database.transaction((transaction) => send(transaction, [31, -1, 32])));
    expect(error).toMatchObject({ code: "23514" });
    expect(await numbersIn(database, table)).toEqual(sequence);
  });

  test("a statement sent after the end of its transaction reaches no other transaction", async () => {
    const { table, database } = await newTable();
    const late = gate();
    let straggler: Promise<unknown> | undefined;
    await database.transaction(async (transaction) => {
      await transaction.query(`INSERT INTO ${table} VALUES (1)`);
      straggler = late.opened.then(() => transaction.query(`INSERT INTO ${table} VALUES (2)`));
      straggler.catch(() => undefined);
    });
    await database.transaction(async (other) => {
      await other.query(`INSERT INTO ${table} VALUES (3)`);
      late.open();
      await failureOf(straggler ?? Promise.resolve());
    });
    await expect(straggler).rejects.toThrow();
    expect(await numbersIn(database, table)).toEqual([1, 3]);
  });

  test("a deferred constraint that fails at COMMIT is a StatementError", async () => {
    const { database } = await newTable();
    const table = uniqueMark();
    await database.query(
      `CREATE TABLE ${table} (n int8 CONSTRAINT ${table}_key UNIQUE DEFERRABLE INITIALLY DEFERRED)`,
    );
    const { error } = await failureOf(
      database.transaction(async (transaction) => {
        await transaction.query(`INSERT INTO ${table} VALUES (1), (1)`);
      }),
    );
    expect(error).toMatchObject({ code: "23505", constraint: `${table}_key` });
    expect(await numbersIn(database, table)).toEqual([]);
  });

  test("a reading request's transaction cannot write", async () => {
    const { table } = await newTable();
    const database = fixture().connect().within(reading());
    const { error } = await failureOf(
      database.transaction((transaction) => transaction.query(`INSERT INTO ${table} VALUES (1)`)),
    );
    expect(error).toMatchObject({ code: "25006" });
    expect(await database.transaction((transaction) => numbersIn(transaction, table))).toEqual([]);
  });

  test("write skew under serializable is retried, and both transactions succeed", async () => {
    const { table, database } = await newTable();
    await database.query(`INSERT INTO ${table} VALUES (1), (2)`);
    const bothHaveRead = meeting(2);
    let runs = 0;
    const run = (add: number): Promise<void> =>
      database.transaction(
        async (transaction) => {
          runs += 1;
          const seen = await numbersIn(transaction, table);
          await bothHaveRead();
          await transaction.query(`INSERT INTO ${table} VALUES ($1)`, [seen.length * 10 + add]);
        },
        { isolation: "serializable" },
      );
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
    const run = (first: number, second: number): Promise<void> =>
      pool.within(writing()).transaction(async (transaction) => {
        runs += 1;
        await transaction.query(`UPDATE ${table} SET n = n + 1 WHERE id = $1`, [first]);
        await bothHaveLocked();
        await transaction.query(`UPDATE ${table} SET n = n + 1 WHERE id = $1`, [second]);
      });
    await Promise.all([run(1, 2), run(2, 1)]);
    expect(runs).toBeGreaterThanOrEqual(3);
    expect(await admin(`SELECT n FROM ${table} ORDER BY id`)).toEqual([{ n: 2 }, { n: 2 }]);
  });
});
