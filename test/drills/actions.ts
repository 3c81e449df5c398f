/** What the drills' faults are made of: statements to PostgreSQL, restarts of the origins. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { childEnvironment } from "../../src/local/environment.ts";
import type { DrillOrigin, World } from "./world.ts";

/** Ends the fault. */
export type Undo = () => Promise<void>;

/** Resolves when the fault is there. @returns what ends it; undefined for a fault that has passed by then */
export type Inject = (world: World) => Promise<Undo | undefined>;

/** Does something again and again until it is undone; a failure of it is part of the fault. */
export const repeatedly = (everyMs: number, work: () => Promise<unknown>): Undo => {
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
export const administer = async ({ postgres }: World, ...statements: readonly string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: postgres.url, application_name: "drill" });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};

export const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'breakwater-origin'`;
export const READ_ONLY = "ALTER SYSTEM SET default_transaction_read_only = on";
export const READ_WRITE = "ALTER SYSTEM RESET default_transaction_read_only";
export const RELOAD = "SELECT pg_reload_conf()";
/** More than the server admits. */
const MAX_CONNECTIONS = 300;

/** Ends the origins' connections, and takes every one that becomes free. */
export const takeConnections = async (world: World): Promise<Undo> => {
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
export const first = ({ origins }: World): DrillOrigin => {
  const [origin] = origins;
  if (origin === undefined) throw new Error("the world has no origin");
  return origin;
};

/** Preloaded into an origin: its clock is ahead by SKEW_MS. */
const SKEWED_CLOCK = new URL("./skewed-clock.ts", import.meta.url).href;

export const clockAhead =
  (skewMs: number): Inject =>
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
export const roll = async (
  { origins }: World,
  environment?: Readonly<Record<string, string>>,
): Promise<undefined> => {
  for (const origin of origins) {
    await origin.stop();
    await origin.start(environment);
  }
};

/** Origins learn the new key, then the edge uses it, then the old one is forgotten. */
export const rotateKeys = async (world: World): Promise<undefined> => {
  const next = `second:${randomBytes(32).toString("base64")}`;
  await roll(world, { SIGNING_KEYS: `${next},${world.signingKeys}` });
  await world.restartEdge({ SIGNING_KEYS: next });
  await roll(world, { SIGNING_KEYS: next });
};

export const MIGRATION = [
  "ALTER TABLE orders ADD COLUMN IF NOT EXISTS drilled integer",
  "DROP INDEX CONCURRENTLY IF EXISTS drilled",
  "CREATE INDEX CONCURRENTLY drilled ON orders (principal, drilled)",
];
