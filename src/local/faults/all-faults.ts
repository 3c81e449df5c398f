/** Which faults this system has: those of servers that it does not own are absent. */
import type { Tour } from "../../contract/tour.ts";
import { unboundScope } from "../../origin/db/database.ts";
import type { connectPostgres } from "../../origin/db/postgres.ts";
import type { Door } from "../door.ts";
import type { LocalOrigin } from "../origin.ts";
import type { RedisClient } from "../redis.ts";
import type { Supervisor } from "../supervisor.ts";
import { doorFaults, type Fault, loadFault, momentaryFault } from "./faults.ts";
import type { LoadRequest } from "./load.ts";

export interface StruckOrigin {
  readonly name: string;
  readonly door: Door;
  readonly supervisor: Pick<Supervisor, "hold" | "release">;
  /** The process that runs now. */
  present(): LocalOrigin;
}

interface StruckSystem {
  readonly origin: StruckOrigin | undefined;
  readonly redis: { readonly door: Door; readonly client: RedisClient } | undefined;
  readonly postgres: { readonly door: Door; readonly pool: ReturnType<typeof connectPostgres> } | undefined;
  readonly collector: Door;
  readonly siem: Door;
  readonly edgeUrl: () => string;
  readonly tour: Tour;
  readonly demoKey: string;
}

/** One origin is enough to see what the others do. */
const originFaults = ({ name: node, door, supervisor, present }: StruckOrigin): Fault[] => {
  let frozen: number | undefined;
  return [
    {
      ...{ name: "origin-killed", title: `Kill ${node}`, node, isMomentary: false },
      on: () => {
        supervisor.hold();
        return present().kill();
      },
      off: () => supervisor.release(),
    },
    {
      ...{ name: "origin-frozen", title: `Freeze ${node}`, node, isMomentary: false },
      on: () => {
        frozen = present().pid;
        process.kill(frozen, "SIGSTOP");
      },
      off: () => {
        try {
          if (frozen !== undefined) process.kill(frozen, "SIGCONT");
        } catch {
          // It was killed meanwhile.
        }
      },
    },
    ...doorFaults(door, node, {
      "origin-slow": [`Slow ${node} down by 200 ms`, "slow"],
      "origin-failing": [`Let ${node} answer 503`, "fail"],
    }),
  ];
};

const redisFaults = ({ door, client }: NonNullable<StruckSystem["redis"]>): Fault[] => [
  ...doorFaults(door, "redis", {
    "redis-stopped": ["Stop Redis", "refuse"],
    "redis-frozen": ["Freeze Redis", "freeze"],
  }),
  momentaryFault("redis-flushed", "Flush Redis", "redis", async () => void (await client.run(["FLUSHALL"]))),
];

const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;
/** The sample API's. */
const TABLE = "products";

/** Holds a transaction open. */
const lockFault = ({ pool }: NonNullable<StruckSystem["postgres"]>): Fault => {
  let release: (() => void) | undefined;
  let held: Promise<unknown> | undefined;
  return {
    ...{ name: `${TABLE}-locked`, title: `Lock the table ${TABLE}`, node: "postgres", isMomentary: false },
    on: async () => {
      const [locked, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      release = end.resolve;
      held = pool.within(unboundScope("fault")).transaction(async (transaction) => {
        await transaction.query(`LOCK TABLE ${TABLE} IN ACCESS EXCLUSIVE MODE`);
        locked.resolve();
        await end.promise;
      });
      held.catch(locked.reject);
      await locked.promise;
    },
    off: async () => {
      release?.();
      // Its connection may have been terminated.
      await held?.catch(() => undefined);
    },
  };
};

const postgresFaults = async (postgres: NonNullable<StruckSystem["postgres"]>): Promise<Fault[]> => {
  const { door, pool } = postgres;
  const [found] = await pool.query<{ name: string | null }>("SELECT to_regclass($1)::text AS name", [TABLE]);
  return [
    ...doorFaults(door, "postgres", {
      "postgres-stopped": ["Stop PostgreSQL", "refuse"],
      "postgres-frozen": ["Freeze PostgreSQL", "freeze"],
    }),
    momentaryFault("postgres-terminates", "Terminate PostgreSQL's connections", "postgres", async () => {
      await pool.query(TERMINATE);
    }),
    ...(found?.name ? [lockFault(postgres)] : []),
  ];
};

/** Addresses for documentation (RFC 5737). */
const BURST_CLIENT = "192.0.2.7";
export const SCANNER_CLIENT = "198.51.100.9";
const SCANNED = ["/.env", "/wp-login.php", "/.git/config", "/phpmyadmin/index.php"];
/** Soon more than the catalog's limit, of which it then stays above the refill. */
const BURST = { requestsPerSecond: 100, atOnce: 120 };
const SCANS_PER_SECOND = 4;

/** The tour's reads. */
export const readsOf = ({ steps }: Tour): readonly string[] =>
  steps.flatMap(({ method, path }) => (method === "GET" ? [path] : []));

export const allFaults = async (system: StruckSystem): Promise<Fault[]> => {
  const { origin, redis, postgres, edgeUrl, tour } = system;
  const [read = "/"] = readsOf(tour);
  const from =
    (client: string) =>
    (path: string): LoadRequest => ({
      path,
      headers: { "x-local-client": client },
    });
  return [
    ...(origin === undefined ? [] : originFaults(origin)),
    ...(redis === undefined ? [] : redisFaults(redis)),
    ...(postgres === undefined ? [] : await postgresFaults(postgres)),
    ...doorFaults(system.collector, "collector", { "collector-away": ["Stop the collector", "refuse"] }),
    ...doorFaults(system.siem, "siem", { "siem-away": ["Stop the SIEM", "refuse"] }),
    loadFault(edgeUrl, {
      ...{ name: "burst", title: `A burst from ${BURST_CLIENT}`, ...BURST },
      next: () => from(BURST_CLIENT)(read),
    }),
    loadFault(edgeUrl, {
      ...{ name: "scanner", title: `A scanner at ${SCANNER_CLIENT}`, requestsPerSecond: SCANS_PER_SECOND },
      next: (index) => from(SCANNER_CLIENT)(SCANNED[index % SCANNED.length] ?? "/"),
    }),
  ];
};
