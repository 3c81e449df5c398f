/** Statements that share connections are neither lost, nor run twice, nor answered with another statement's result. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Database } from "../../src/origin/db/database.ts";
import { DeadlineError, UnavailableError } from "../../src/origin/db/errors.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import { describeDatabases } from "./support/database-fixture.ts";
import { reading, writing } from "./support/requests.ts";
import { failureOf } from "./support/waiting.ts";

const isLossOrEnd = (error: unknown): boolean =>
  error instanceof UnavailableError || error instanceof DeadlineError;

const numbers = Array.from({ length: 200 }, (_, index) => index);

describeDatabases((fixture) => {
  const newTable = (): Promise<string> =>
    fixture().createTable((name) => `n int8 CONSTRAINT ${name}_even CHECK (n % 2 = 0)`);

  const timesOf = async (table: string): Promise<ReadonlyMap<number, number>> => {
    const rows = await fixture().admin<{ n: string; times: number }>(
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
    const times = await timesOf(table);
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
    const value = n * 4;
    const insert = (into: Database, written: number, sleepS: number) =>
      into.query(`INSERT INTO ${table} SELECT $1::int8 FROM pg_sleep($2) RETURNING n`, [written, sleepS]);
    const run = async (): Promise<void> => {
      if (kind === 0) {
        const rows = await database.query("SELECT $1::int8 AS n, pg_sleep($2)::text", [value, sleep]);
        expect(rows).toEqual([{ n: value, pg_sleep: "" }]);
      } else if (kind === 1) expect(await insert(database, value, sleep)).toEqual([{ n: value }]);
      else
        await database.transaction(async (transaction) => {
          const first = insert(transaction, value, 0);
          if (kind === 3) {
            await first;
            await transaction.transaction((inner) => insert(inner, value + 1, 0)).catch(() => undefined);
          }
          await Promise.all([first, insert(transaction, value + 2, sleep)]);
        });
    };
    const writes = [[], [value]][kind] ?? [value, value + 2];
    return { writes, error: (await failureOf(run())).error };
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
    const times = await timesOf(table);
    for (const { writes, error } of settled) {
      const counts = writes.map((n) => times.get(n) ?? 0);
      if (error === undefined) expect(counts).toEqual(writes.map(() => 1));
      else expect(error).toSatisfy(isLossOrEnd);
      // A transaction's writes are atomic.
      expect(new Set(counts).size).toBeLessThanOrEqual(1);
    }
    expect([...times].filter(([, count]) => count > 1)).toEqual([]);
    expect(settled.filter(({ error }) => error === undefined).length).toBeGreaterThan(50);
  });
});
