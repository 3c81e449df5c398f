/** What a drill breaks, and how it is undone. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { childEnvironment } from "../../src/local/environment.ts";
import { hold } from "../support/locks.ts";
import type { DrillOrigin, World } from "./world.ts";

/** Ends the fault. */
export type Undo = () => Promise<void>;

export interface Fault {
  readonly name: string;
  readonly title: string;
  /** Before the load begins. */
  readonly prepare?: (world: World) => Promise<void>;
  /** Resolves when it is there. @returns what ends it; undefined for a fault that has passed by then */
  readonly inject: (world: World) => Promise<Undo | undefined>;
}

/** Does something again and again until it is undone; a failure of it is part of the fault. */
const repeatedly = (everyMs: number, work: () => Promise<unknown>): Undo => {
  const stopping = new AbortController();
  const repeat = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await work().catch(() => undefined);
      await pause(everyMs);
    }
  };
  const repeating = repeat();
  return async () => {
    stopping.abort();
    await repeating;
  };
};

/** A statement as an administrator would send it, on a connection of its own. */
const administer = async ({ postgres }: World, ...statements: readonly string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: postgres.url, application_name: "drill" });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};

const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'breakwater-origin'`;
const READ_ONLY = "ALTER SYSTEM SET default_transaction_read_only = on";
const READ_WRITE = "ALTER SYSTEM RESET default_transaction_read_only";
const RELOAD = "SELECT pg_reload_conf()";
/** More than the server admits. */
const MAX_CONNECTIONS = 300;

/** Ends the origins' connections, and takes every one that becomes free. */
const takeConnections = async (world: World): Promise<Undo> => {
  const taken: pg.Client[] = [];
  const take = async (): Promise<void> => {
    while (taken.length < MAX_CONNECTIONS) {
      const client = new pg.Client({ connectionString: world.postgres.url, application_name: "drill" });
      client.on("error", () => undefined);
      await client.connect();
      taken.push(client);
    }
  };
  await administer(world, TERMINATE);
  const stop = repeatedly(50, take);
  return async () => {
    await stop();
    await Promise.all(taken.map((client) => client.end()));
  };
};

/** @throws if the world has no origins */
const first = ({ origins }: World): DrillOrigin => {
  const [origin] = origins;
  if (origin === undefined) throw new Error("the world has no origin");
  return origin;
};

/** Preloaded into an origin: its clock is ahead by SKEW_MS. */
const SKEWED_CLOCK = new URL("./skewed-clock.ts", import.meta.url).href;

const clockAhead =
  (skewMs: number): Fault["inject"] =>
  async (world) => {
    const origin = first(world);
    const restart = async (environment: Record<string, string>): Promise<void> => {
      await origin.stop();
      await origin.start(environment);
    };
    // The conditions by which the API is found.
    const options = childEnvironment()["NODE_OPTIONS"] ?? "";
    await restart({ NODE_OPTIONS: `${options} --import ${SKEWED_CLOCK}`, SKEW_MS: String(skewMs) });
    return () => restart({ NODE_OPTIONS: options });
  };

/** Replaces the origins, one after the other. @param environment overrides variables */
const roll = async (
  { origins }: World,
  environment?: Readonly<Record<string, string>>,
): Promise<undefined> => {
  for (const origin of origins) {
    await origin.stop();
    await origin.start(environment);
  }
};

/** Origins learn the new key, then the edge uses it, then the old one is forgotten. */
const rotateKeys = async (world: World): Promise<undefined> => {
  const next = `second:${randomBytes(32).toString("base64")}`;
  await roll(world, { SIGNING_KEYS: `${next},${world.signingKeys}` });
  await world.restartEdge({ SIGNING_KEYS: next });
  await roll(world, { SIGNING_KEYS: next });
};

const MIGRATION = [
  "ALTER TABLE orders ADD COLUMN IF NOT EXISTS drilled integer",
  "DROP INDEX CONCURRENTLY IF EXISTS drilled",
  "CREATE INDEX CONCURRENTLY drilled ON orders (principal, drilled)",
];

export const FAULTS: readonly Fault[] = [
  {
    name: "postgres-killed",
    title: "PostgreSQL is killed",
    inject: async ({ postgres }) => {
      await postgres.kill();
      return () => postgres.start();
    },
  },
  {
    name: "postgres-frozen",
    title: "PostgreSQL accepts and never responds",
    inject: async ({ postgres }) => {
      await postgres.freeze();
      return async () => postgres.thaw();
    },
  },
  {
    name: "postgres-restarted",
    title: "PostgreSQL is restarted",
    inject: async ({ postgres }) => {
      await postgres.stop();
      await postgres.start();
      return undefined;
    },
  },
  {
    name: "postgres-read-only",
    title: "PostgreSQL takes no writes",
    inject: async (world) => {
      await administer(world, READ_ONLY, RELOAD);
      return () => administer(world, "SET default_transaction_read_only = off", READ_WRITE, RELOAD);
    },
  },
  {
    name: "postgres-terminates",
    title: "PostgreSQL terminates every connection, twice a second",
    inject: async (world) => repeatedly(500, () => administer(world, TERMINATE)),
  },
  {
    name: "postgres-full",
    title: "PostgreSQL has no connection left",
    inject: takeConnections,
  },
  {
    name: "postgres-locked",
    title: "the table of products is locked",
    inject: async ({ postgres }) => {
      const lock = await hold(postgres.url, "LOCK TABLE products IN ACCESS EXCLUSIVE MODE");
      return () => lock.release();
    },
  },
  {
    name: "redis-killed",
    title: "Redis is killed, and comes back empty",
    inject: async ({ redis }) => {
      await redis.kill();
      return () => redis.start("empty");
    },
  },
  {
    name: "redis-frozen",
    title: "Redis accepts and never responds",
    inject: async ({ redis }) => {
      redis.freeze();
      return async () => redis.thaw();
    },
  },
  {
    name: "redis-flushed",
    title: "Redis loses its data",
    inject: async ({ redis }) => {
      await redis.run("FLUSHALL");
      return undefined;
    },
  },
  {
    name: "redis-full",
    title: "Redis has no memory left, and evicts nothing",
    inject: async ({ redis }) => {
      await redis.run("CONFIG", "SET", "maxmemory-policy", "noeviction");
      await redis.run("CONFIG", "SET", "maxmemory", "1");
      return async () => void (await redis.run("CONFIG", "SET", "maxmemory", "0"));
    },
  },
  {
    name: "redis-failed-over",
    title: "Redis fails over to a replica that is some seconds old",
    // Older than the revocation and the block that are watched.
    prepare: ({ redis }) => redis.keepReplica(),
    inject: async ({ redis }) => {
      await redis.kill();
      await redis.start("replica");
      return undefined;
    },
  },
  {
    name: "origin-killed",
    title: "one of two origins is killed",
    inject: async (world) => {
      await first(world).kill();
      return () => first(world).start();
    },
  },
  {
    name: "origin-frozen",
    title: "one of two origins accepts and never responds",
    inject: async (world) => {
      process.kill(first(world).pid, "SIGSTOP");
      return async () => void process.kill(first(world).pid, "SIGCONT");
    },
  },
  {
    name: "origin-slow",
    title: "one of two origins responds 200 ms later",
    inject: async (world) => {
      first(world).door.disturb({ lagMs: 200, lossShare: 0 });
      return () => first(world).door.open();
    },
  },
  {
    name: "origins-rolled",
    title: "both origins are replaced, one after the other",
    inject: (world) => roll(world),
  },
  {
    name: "edge-restarted",
    title: "the edge loses its memory",
    inject: async ({ restartEdge }) => {
      await restartEdge();
      return undefined;
    },
  },
  {
    name: "network-cut",
    title: "one of two origins refuses connections",
    inject: async (world) => {
      await first(world).door.refuse();
      return () => first(world).door.open();
    },
  },
  {
    name: "network-half-open",
    title: "connections to one of two origins carry nothing",
    inject: async (world) => {
      first(world).door.shut();
      return () => first(world).door.open();
    },
  },
  {
    name: "network-lossy",
    title: "1 % of the replies of one of two origins end in the middle, with their connection",
    inject: async (world) => {
      first(world).door.disturb({ lagMs: 0, lossShare: 0.01 });
      return () => first(world).door.open();
    },
  },
  {
    name: "collector-away",
    title: "the collector refuses connections",
    inject: async ({ collector }) => {
      await collector.behave("away");
      return () => collector.behave("well");
    },
  },
  { name: "clock-ahead", title: "the clock of one origin is 60 s ahead", inject: clockAhead(60_000) },
  { name: "clock-behind", title: "the clock of one origin is 60 s behind", inject: clockAhead(-60_000) },
  { name: "keys-rotated", title: "the signing key is rotated", inject: rotateKeys },
  {
    name: "migration",
    title: "a column and an index are added",
    inject: async (world) => {
      await administer(world, ...MIGRATION);
      return undefined;
    },
  },
];
