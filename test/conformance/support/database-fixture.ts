/** A database for the tests of one driver, and pools to it. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, inject, onTestFinished } from "vitest";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { unboundScope } from "../../../src/origin/db/database.ts";
import { connectPostgres, type PostgresOptions, type PostgresPool } from "../../../src/origin/db/postgres.ts";
import { createDatabase } from "../../support/database.ts";
import { type DatabaseDriver, databaseDrivers } from "./database-drivers.ts";
import { until, untilSucceeds } from "./waiting.ts";

export interface ConnectOptions extends Partial<PostgresOptions> {
  /** @default the route's */
  readonly url?: string;
}

export type DatabaseFixture = Awaited<ReturnType<typeof startFixture>>;

/** A name that occurs in no other statement. */
export const uniqueMark = (): string => `mark_${randomBytes(6).toString("hex")}`;

const startFixture = async (driver: DatabaseDriver, serverUrl: string, stops: CleanupStack) => {
  const { name: databaseName, url: databaseUrl, drop } = await createDatabase(serverUrl);
  stops.add(drop);
  const adminPool = new pg.Pool({
    connectionString: databaseUrl,
    max: 2,
    application_name: "conformance-admin",
  });
  adminPool.on("error", () => undefined);
  stops.add(() => adminPool.end());
  /** Runs as the server's superuser, directly, in the fixture's database. */
  const admin = async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await adminPool.query<Row & pg.QueryResultRow>(text, [...values])).rows;
  await admin(`ALTER DATABASE ${databaseName} SET deadlock_timeout = '50ms'`);
  const url = await driver.route(databaseUrl, stops);
  /** Every line logged by the pools. */
  const logLines: string[] = [];
  const log = pino(
    { level: "debug", base: null, messageKey: "message" },
    { write: (line) => void logLines.push(line) },
  );

  /** The number of running statements whose text contains `mark`. */
  const running = async (mark: string): Promise<number> => {
    const [row] = await admin<{ count: string }>(
      `SELECT count(*) FROM pg_stat_activity
       WHERE state = 'active' AND pid <> pg_backend_pid() AND position($1 in query) > 0`,
      [mark],
    );
    return Number(row?.count);
  };

  return {
    databaseName,
    /** Directly to the server. */
    databaseUrl,
    /** The driver's route. */
    url,
    logLines,
    admin,
    /** @returns the new table's name */
    createTable: async (columns: (name: string) => string = () => "n int8"): Promise<string> => {
      const name = uniqueMark();
      await admin(`CREATE TABLE ${name} (${columns(name)})`);
      return name;
    },
    /** A pool that is closed when the test has finished. */
    connect: ({ url: otherUrl, ...options }: ConnectOptions = {}): PostgresPool => {
      const pool = connectPostgres(otherUrl ?? url, {
        maxConnections: 4,
        // A busy machine needs long to open a connection to a server process.
        connectTimeoutMs: 15_000,
        log,
        preparedStatements: driver.preparedStatements,
        ...options,
      });
      onTestFinished(() => pool.close().catch(() => undefined));
      return pool;
    },
    /** Terminates every connection to the database except the superuser's. @returns their number */
    terminateAll: async (): Promise<number> => {
      const ended = await admin(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = $1 AND application_name <> 'conformance-admin'`,
        [databaseName],
      );
      return ended.length;
    },
    untilRunning: (mark: string) => until(async () => (await running(mark)) === 1),
    untilGone: (mark: string) => until(async () => (await running(mark)) === 0),
  };
};

/** Runs a statement in a transaction that stays open, and so takes a connection. @returns ends it */
export const takeConnection = async (pool: PostgresPool, text = "SELECT 1"): Promise<() => Promise<void>> => {
  const done = Promise.withResolvers<void>();
  const holding = await untilSucceeds(async () => {
    const taken = Promise.withResolvers<void>();
    const work = pool.within(unboundScope("holding")).transaction(async (transaction) => {
      await transaction.query(text);
      taken.resolve();
      await done.promise;
    });
    await Promise.race([taken.promise, work]);
    // In an object: the transaction ends later.
    return { work };
  });
  return async () => {
    done.resolve();
    await holding.work;
  };
};

/** Runs the same tests for each driver. The title of a skipped one says why. */
export const describeDatabases = (
  tests: (fixture: () => DatabaseFixture, driver: DatabaseDriver) => void,
  { drivers = databaseDrivers, serverUrl = () => inject("servers").databaseUrl } = {},
): void => {
  for (const driver of drivers) {
    const reason = driver.missing === undefined ? "" : ` (skipped: ${driver.missing})`;
    describe.skipIf(driver.missing !== undefined)(`${driver.name}${reason}`, () => {
      const stops = new CleanupStack();
      let fixture: DatabaseFixture | undefined;
      beforeAll(async () => {
        fixture = await startFixture(driver, serverUrl(), stops);
      });
      afterAll(() => stops.runAll());
      tests(() => {
        if (fixture === undefined) throw new Error("the fixture has not started");
        return fixture;
      }, driver);
    });
  }
};
