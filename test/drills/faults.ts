/** What a drill breaks, and how it is undone. */
import { hold } from "../support/locks.ts";
import {
  administer,
  clockAhead,
  first,
  type Inject,
  MIGRATION,
  READ_ONLY,
  READ_WRITE,
  RELOAD,
  repeatedly,
  roll,
  rotateKeys,
  TERMINATE,
  takeConnections,
} from "./actions.ts";
import type { World } from "./world.ts";

/** What a fault touches. Two faults of one part cannot be there together. */
type Part = "postgres" | "redis" | "origins" | "network" | "edge" | "collector" | "siem";

export interface Fault {
  readonly name: string;
  readonly title: string;
  /** An origin starts only with PostgreSQL: a fault that restarts origins touches it, too. */
  readonly parts: readonly Part[];
  /** The edge's memory is lost, with the security events in it. */
  readonly endsIsolate?: boolean;
  /** Before the load begins. */
  readonly prepare?: (world: World) => Promise<void>;
  readonly inject: Inject;
}

export const FAULTS: readonly Fault[] = [
  {
    name: "postgres-killed",
    title: "PostgreSQL is killed",
    parts: ["postgres"],
    inject: async ({ postgres }) => {
      await postgres.kill();
      return () => postgres.start();
    },
  },
  {
    name: "postgres-frozen",
    title: "PostgreSQL accepts and never responds",
    parts: ["postgres"],
    inject: async ({ postgres }) => {
      await postgres.freeze();
      return async () => postgres.thaw();
    },
  },
  {
    name: "postgres-restarted",
    title: "PostgreSQL is restarted",
    parts: ["postgres"],
    inject: async ({ postgres }) => {
      await postgres.stop();
      await postgres.start();
      return undefined;
    },
  },
  {
    name: "postgres-read-only",
    title: "PostgreSQL takes no writes",
    parts: ["postgres"],
    inject: async (world) => {
      await administer(world, READ_ONLY, RELOAD);
      return () => administer(world, "SET default_transaction_read_only = off", READ_WRITE, RELOAD);
    },
  },
  {
    name: "postgres-terminates",
    title: "PostgreSQL terminates every connection, twice a second",
    parts: ["postgres"],
    inject: async (world) => repeatedly(500, () => administer(world, TERMINATE)),
  },
  {
    name: "postgres-full",
    title: "PostgreSQL has no connection left",
    parts: ["postgres"],
    inject: takeConnections,
  },
  {
    name: "postgres-locked",
    title: "the table of products is locked",
    parts: ["postgres"],
    inject: async ({ postgres }) => {
      const lock = await hold(postgres.url, "LOCK TABLE products IN ACCESS EXCLUSIVE MODE");
      return () => lock.release();
    },
  },
  {
    name: "redis-killed",
    title: "Redis is killed, and comes back empty",
    parts: ["redis"],
    inject: async ({ redis }) => {
      await redis.kill();
      return () => redis.start("empty");
    },
  },
  {
    name: "redis-frozen",
    title: "Redis accepts and never responds",
    parts: ["redis"],
    inject: async ({ redis }) => {
      redis.freeze();
      return async () => redis.thaw();
    },
  },
  {
    name: "redis-flushed",
    title: "Redis loses its data",
    parts: ["redis"],
    inject: async ({ redis }) => {
      await redis.run("FLUSHALL");
      return undefined;
    },
  },
  {
    name: "redis-full",
    title: "Redis has no memory left, and evicts nothing",
    parts: ["redis"],
    inject: async ({ redis }) => {
      await redis.run("CONFIG", "SET", "maxmemory-policy", "noeviction");
      await redis.run("CONFIG", "SET", "maxmemory", "1");
      return async () => void (await redis.run("CONFIG", "SET", "maxmemory", "0"));
    },
  },
  {
    name: "redis-failed-over",
    title: "Redis fails over to a replica that is some seconds old",
    parts: ["redis"],
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
    parts: ["origins"],
    inject: async (world) => {
      await first(world).kill();
      return () => first(world).start();
    },
  },
  {
    name: "origin-frozen",
    title: "one of two origins accepts and never responds",
    parts: ["origins"],
    inject: async (world) => {
      process.kill(first(world).pid, "SIGSTOP");
      return async () => void process.kill(first(world).pid, "SIGCONT");
    },
  },
  {
    name: "origin-slow",
    title: "one of two origins responds 200 ms later",
    parts: ["network"],
    inject: async (world) => {
      first(world).door.disturb({ lagMs: 200, lossShare: 0 });
      return () => first(world).door.open();
    },
  },
  {
    name: "origins-rolled",
    title: "both origins are replaced, one after the other",
    parts: ["origins", "postgres"],
    inject: (world) => roll(world),
  },
  {
    name: "edge-restarted",
    title: "the edge loses its memory",
    parts: ["edge"],
    endsIsolate: true,
    inject: async ({ restartEdge }) => {
      await restartEdge();
      return undefined;
    },
  },
  {
    name: "network-cut",
    title: "one of two origins refuses connections",
    parts: ["network"],
    inject: async (world) => {
      await first(world).door.refuse();
      return () => first(world).door.open();
    },
  },
  {
    name: "network-half-open",
    title: "connections to one of two origins carry nothing",
    parts: ["network"],
    inject: async (world) => {
      first(world).door.shut();
      return () => first(world).door.open();
    },
  },
  {
    name: "network-lossy",
    title: "1 % of the replies of one of two origins end in the middle, with their connection",
    parts: ["network"],
    inject: async (world) => {
      first(world).door.disturb({ lagMs: 0, lossShare: 0.01 });
      return () => first(world).door.open();
    },
  },
  {
    name: "collector-away",
    title: "the collector refuses connections",
    parts: ["collector"],
    inject: async ({ collector }) => {
      await collector.behave("away");
      return () => collector.behave("well");
    },
  },
  {
    name: "siem-away",
    title: "the SIEM refuses connections",
    parts: ["siem"],
    inject: async ({ siem }) => {
      await siem.stop();
      return async () => void (await siem.reopen());
    },
  },
  {
    name: "clock-ahead",
    title: "the clock of one origin is 60 s ahead",
    parts: ["origins", "postgres"],
    inject: clockAhead(60_000),
  },
  {
    name: "clock-behind",
    title: "the clock of one origin is 60 s behind",
    parts: ["origins", "postgres"],
    inject: clockAhead(-60_000),
  },
  {
    name: "keys-rotated",
    title: "the signing key is rotated",
    parts: ["origins", "postgres", "edge"],
    endsIsolate: true,
    inject: rotateKeys,
  },
  {
    name: "migration",
    title: "a column and an index are added",
    parts: ["postgres"],
    inject: async (world) => {
      await administer(world, ...MIGRATION);
      return undefined;
    },
  },
];

/**
 * Two faults together, which touch different parts. The first is undone first: origins start only with PostgreSQL, so a fault of
 * PostgreSQL comes before one of the origins, as in the list.
 */
export const both = (one: Fault, other: Fault): Fault => ({
  name: `${one.name}+${other.name}`,
  title: `${one.title}; ${other.title}`,
  parts: [...one.parts, ...other.parts],
  endsIsolate: one.endsIsolate === true || other.endsIsolate === true,
  prepare: async (world) => {
    await one.prepare?.(world);
    await other.prepare?.(world);
  },
  inject: async (world) => {
    const undoOne = await one.inject(world);
    const undoOther = await other.inject(world);
    if (undoOne === undefined && undoOther === undefined) return undefined;
    return async () => {
      await undoOne?.();
      await undoOther?.();
    };
  },
});

/** Every pair of faults of different parts, each in the order of the list. */
export const PAIRS: readonly (readonly [Fault, Fault])[] = FAULTS.flatMap((one, index) =>
  FAULTS.slice(index + 1)
    .filter(({ parts }) => !parts.some((part) => one.parts.includes(part)))
    .map((other): [Fault, Fault] => [one, other]),
);
