/** A database for the tests of one driver, and pools to it. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, inject, onTestFinished } from "vitest";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { unboundScope } from "../../../src/origin/db/database.ts";
import { connectPostgres, type PostgresOptions, type PostgresPool } from "../../../src/origin/db/postgres.ts";
import { type DatabaseDriver, databaseDrivers, type Route } from "./database-drivers.ts";
import { gate, until, untilSucceeds } from "./poll.ts";

export interface ConnectOptions extends Partial<PostgresOptions> {
  /** @default the route's */
  readonly url?: string;
}

export interface DatabaseFixture {
  readonly driver: DatabaseDriver;
  readonly databaseName: string;
  /** Directly to the server. */
  readonly databaseUrl: string;
  /** The driver's route. */
  readonly route: Route;
  /** Every line logged by the pools. */
  readonly logLines: string[];
  /** A pool that is closed when the test has finished. */
  connect(options?: ConnectOptions): PostgresPool;
  /** Runs as the server's superuser, directly, in the fixture's database. */
  admin<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Terminates every connection to the fixture's database except the superuser's. @returns their number */
  terminateAll(): Promise<number>;
  /** The number of running statements whose text contains `mark`. */
  running(mark: string): Promise<number>;
  /** Resolves when `count` statements with `mark` in their text run. */
  untilRunning(mark: string, count?: number): Promise<void>;
  /** Resolves when no such statement runs any more. */
  untilGone(mark: string, timeoutMs?: number): Promise<void>;
}

/** A name that occurs in no other statement. */
export const uniqueMark = (): string => `mark_${randomBytes(6).toString("hex")}`;

const createAdmin = async (url: string, stops: CleanupStack): Promise<pg.Pool> => {
  const admin = new pg.Pool({ connectionString: url, max: 2, application_name: "conformance-admin" });
  admin.on("error", () => undefined);
  stops.add(() => admin.end());
  return admin;
};

const startFixture = async (
  driver: DatabaseDriver,
  serverUrl: string,
  stops: CleanupStack,
): Promise<DatabaseFixture> => {
  const databaseName = `conformance_${randomBytes(6).toString("hex")}`;
  const server = new pg.Pool({ connectionString: serverUrl, max: 1 });
  server.on("error", () => undefined);
  stops.add(() => server.end());
  await server.query(`CREATE DATABASE ${databaseName}`);
  await server.query(`ALTER DATABASE ${databaseName} SET deadlock_timeout = '50ms'`);
  stops.add(() => server.query(`DROP DATABASE IF EXISTS ${databaseName} WITH (FORCE)`));
  const url = new URL(serverUrl);
  url.pathname = `/${databaseName}`;
  const adminPool = await createAdmin(url.href, stops);
  const route = await driver.route(url.href, stops);
  const logLines: string[] = [];
  const log = pino(
    { level: "debug", base: null, messageKey: "message" },
    { write: (line) => void logLines.push(line) },
  );

  const admin = async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await adminPool.query<Row & pg.QueryResultRow>(text, [...values])).rows;
  const running = async (mark: string): Promise<number> => {
    const [row] = await admin<{ count: string }>(
      `SELECT count(*) FROM pg_stat_activity
       WHERE state = 'active' AND pid <> pg_backend_pid() AND position($1 in query) > 0`,
      [mark],
    );
    return Number(row?.count);
  };
  return {
    driver,
    databaseName,
    databaseUrl: url.href,
    route,
    logLines,
    connect: ({ url: otherUrl, ...options } = {}) => {
      const pool = connectPostgres(otherUrl ?? route.url, {
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
    admin,
    terminateAll: async () => {
      const ended = await admin(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = $1 AND application_name <> 'conformance-admin'`,
        [databaseName],
      );
      return ended.length;
    },
    running,
    untilRunning: async (mark, count = 1) => {
      await until(`${count} statements run`, async () => (await running(mark)) === count);
    },
    untilGone: async (mark, timeoutMs) => {
      await until("the statement is gone", async () => (await running(mark)) === 0, timeoutMs);
    },
  };
};

/** Runs a statement in a transaction that stays open, and so takes a connection. @returns ends it */
export const takeConnection = async (pool: PostgresPool, text = "SELECT 1"): Promise<() => Promise<void>> => {
  const done = gate();
  const holding = await untilSucceeds("the connection is taken", async () => {
    const taken = gate();
    const work = pool.within(unboundScope("holding")).transaction(async (transaction) => {
      await transaction.query(text);
      taken.open();
      await done.opened;
    });
    await Promise.race([taken.opened, work]);
    // In an object: the transaction ends later.
    return { work };
  });
  return async () => {
    done.open();
    await holding.work;
  };
};

export interface SuiteOptions {
  /** @default every driver */
  readonly drivers?: readonly DatabaseDriver[];
  /** @default the shared server's */
  readonly serverUrl?: () => string;
}

/** Runs the same tests for each driver. The title of a skipped one says why. */
export const describeDatabases = (
  tests: (fixture: () => DatabaseFixture, driver: DatabaseDriver) => void,
  { drivers = databaseDrivers, serverUrl = () => inject("servers").databaseUrl }: SuiteOptions = {},
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
