/** Statements that share connections are neither lost, nor run twice, nor answered with another statement's result. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { DeadlineError, StatementError, UnavailableError } from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { type DatabaseFixture, describeDatabases, uniqueMark } from "./support/database-fixture.ts";
import { reading, writing } from "./support/scope.ts";

const numbers = Array.from({ length: 200 }, (_, index) => index);

describeDatabases((fixture) => {
  const newTable = async (): Promise<string> => {
    const table = uniqueMark();
    await fixture().admin(`CREATE TABLE ${table} (n int8 CONSTRAINT ${table}_even CHECK (n % 2 = 0))`);
    return table;
  };

  const timesOf = async ({ admin }: DatabaseFixture, table: string): Promise<ReadonlyMap<number, number>> => {
    const rows = await admin<{ n: string; times: number }>(
      `SELECT n, count(*)::int4 AS times FROM ${table} GROUP BY n`,
    );
    return new Map(rows.map(({ n, times }) => [Number(n), times]));
  };

  test("two hundred concurrent writes each have their own outcome", async () => {
    const pool = fixture().connect({ maxConnections: 4 });
    const table = await newTable();
    const outcomes = await Promise.allSettled(
      numbers.map((n) => pool.within(writing()).query(`INSERT INTO ${table} VALUES ($1) RETURNING n`, [n])),
    );
    for (const [n, outcome] of outcomes.entries()) {
      if (n % 2 === 0) expect(outcome).toEqual({ status: "fulfilled", value: [{ n }] });
      else expect(outcome).toMatchObject({ reason: { code: "23514", constraint: `${table}_even` } });
    }
    const times = await timesOf(fixture(), table);
    expect([...times.values()].every((each) => each === 1)).toBe(true);
    expect(times.size).toBe(100);
  });

  /** Reproducible numbers within [0, 1). */
  const seeded = (seed: number): (() => number) => {
    let state = seed;
    return () => {
      state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
      return state / 2 ** 32;
    };
  };

  /** One request of the mix: its writes, and its error unless they were acknowledged. */
  interface Outcome {
    readonly writes: readonly number[];
    readonly error: unknown;
  }

  const request = async (
    pool: PostgresPool,
    table: string,
    n: number,
    random: () => number,
  ): Promise<Outcome> => {
    const kind = Math.floor(random() * 4);
    const scope = kind === 0 ? reading(10_000) : writing(10_000);
    const sleep = random() < 0.2 ? random() * 0.05 : 0;
    const leaves = random() < 0.15;
    if (leaves) void pause(random() * 30).then(() => scope.end(random() < 0.5 ? "abandoned" : "deadline"));
    const database = pool.within(scope);
    const insert = `INSERT INTO ${table} SELECT $1::int8 FROM pg_sleep($2) RETURNING n`;
    const value = n * 4;
    const writesOf = [[], [value], [value, value + 2], [value, value + 2]];
    const run = async (): Promise<number[]> => {
      if (kind === 0) {
        expect(
          await database.query("SELECT $1::int8 AS n, pg_sleep($2)::text AS slept", [value, sleep]),
        ).toEqual([{ n: value, slept: "" }]);
        return [];
      }
      if (kind === 1) {
        expect(await database.query(insert, [value, sleep])).toEqual([{ n: value }]);
        return [value];
      }
      if (kind === 2) {
        await database.transaction(async (transaction) => {
          await Promise.all([
            transaction.query(insert, [value, 0]),
            transaction.query(insert, [value + 2, sleep]),
          ]);
        });
        return [value, value + 2];
      }
      return await database.transaction(async (transaction) => {
        await transaction.query(insert, [value, 0]);
        await transaction.transaction((inner) => inner.query(insert, [value + 1, 0])).catch(() => undefined);
        await transaction.query(insert, [value + 2, sleep]);
        return [value, value + 2];
      });
    };
    return await run().then(
      (writes) => ({ writes, error: undefined }),
      (error: unknown) => ({ writes: writesOf[kind] ?? [], error }),
    );
  };

  test("under losses, deadlines and disconnects, acknowledged writes happen once and no write happens twice", async () => {
    const { connect, terminateAll } = fixture();
    const pool = connect({ maxConnections: 6 });
    const table = await newTable();
    const random = seeded(20260722);
    const outcomes: Promise<Outcome>[] = [];
    for (let n = 0; n < 400; n += 1) {
      outcomes.push(request(pool, table, n, random));
      if (n % 10 === 0) await pause(8);
      if (n === 150 || n === 300) await terminateAll();
    }
    const settled = await Promise.all(outcomes);
    // Abandoned statements may still be running.
    await pause(300);
    await terminateAll();
    const times = await timesOf(fixture(), table);
    for (const { writes, error } of settled) {
      const counts = writes.map((n) => times.get(n) ?? 0);
      // A transaction's writes are atomic.
      if (error === undefined || writes.length === 2) expect(new Set(counts).size).toBeLessThanOrEqual(1);
      if (error === undefined) expect(counts.every((count) => count === 1)).toBe(true);
      else {
        expect(
          [DeadlineError, UnavailableError].some((kind) => error instanceof kind),
          String(error),
        ).toBe(true);
        expect(counts.every((count) => count <= 1)).toBe(true);
      }
    }
    expect([...times].filter(([, count]) => count > 1)).toEqual([]);
    expect(settled.filter(({ error }) => error === undefined).length).toBeGreaterThan(50);
    expect(settled.some(({ error }) => error instanceof StatementError)).toBe(false);
  });
});
