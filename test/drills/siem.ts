/** Security events that a drill has caused, compared with those that reached the SIEM. */
import { setTimeout as pause } from "node:timers/promises";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import type { EventType, SecurityEvent } from "../../src/security-events/event.ts";
import type { WebhookServer } from "../origin/outbox/webhook-server.ts";
import type { World } from "./world.ts";

/** Occurrences that clients have seen as responses. */
export interface Caused {
  readonly fault: string;
  readonly type: EventType;
  readonly client: string;
  readonly count: number;
}

/** Responses that are security events. */
const EVENT_OF = new Map<number, EventType>([
  [401, "auth_failure"],
  [403, "suspicious_activity"],
  [429, "rate_limit_exceeded"],
]);

/** Counts the rejections that a drill's own clients get. */
export const createCausedEvents = (fault: string) => {
  const caused = new Map<string, Caused>();
  return {
    count: (client: string, status: number): void => {
      const type = EVENT_OF.get(status);
      if (type === undefined) return;
      const key = `${type} ${client}`;
      caused.set(key, { fault, type, client, count: (caused.get(key)?.count ?? 0) + 1 });
    },
    list: (): readonly Caused[] => [...caused.values()],
  };
};

/** The edge's window, and the longest pause before a delivery is repeated, milliseconds. */
const MAX_WAIT_MS = 90_000;
const LOOK_MS = 1_000;

const eventsOf = ({ accepted }: WebhookServer): readonly SecurityEvent[] =>
  accepted.flatMap(({ body }): SecurityEvent[] => JSON.parse(body));

const sumOf = (events: readonly SecurityEvent[], isCounted: (event: SecurityEvent) => boolean): number =>
  events.filter(isCounted).reduce((sum, { count }) => sum + count, 0);

/** Orders and cancellations in the database. */
const countWrites = async (pool: PostgresPool): Promise<number> => {
  const [row] = await pool.query<{ writes: number }>(
    "SELECT (count(*) + count(*) FILTER (WHERE status = 'cancelled'))::int AS writes FROM orders",
  );
  return row?.writes ?? Number.NaN;
};

export interface Arrivals {
  /** Occurrences that clients or the database know of. */
  readonly expected: number;
  /** Of those, how many the SIEM knows of. */
  readonly arrived: number;
  /** What is missing, a line each. */
  readonly missing: readonly string[];
}

/** @param delivered at least once: copies have the same id */
export const compareEvents = (
  delivered: readonly SecurityEvent[],
  caused: readonly Caused[],
  writes: number,
): Arrivals => {
  const events = [...new Map(delivered.map((event) => [event.id, event])).values()];
  const written = sumOf(events, (event) => event.type === "data_access" && event.action === "write");
  const kinds = [
    { what: "writes of orders", expected: writes, arrived: written },
    ...caused.map(({ fault, type, client, count }) => ({
      what: `${type} of ${client} in ${fault}`,
      expected: count,
      arrived: sumOf(events, (event) => event.type === type && event.client === client),
    })),
  ];
  const sum = (values: readonly number[]): number => values.reduce((all, each) => all + each, 0);
  return {
    expected: sum(kinds.map(({ expected }) => expected)),
    arrived: sum(kinds.map(({ expected, arrived }) => Math.min(expected, arrived))),
    missing: kinds
      .filter(({ expected, arrived }) => arrived < expected)
      .map(({ what, expected, arrived }) => `security events: ${arrived} of ${expected} ${what}`),
  };
};

/** Waits until every event has reached the SIEM, or until the longest delivery is over. */
export const awaitEvents = async ({ pool, siem }: World, caused: readonly Caused[]): Promise<Arrivals> => {
  const untilMs = performance.now() + MAX_WAIT_MS;
  const writes = await countWrites(pool);
  for (;;) {
    const arrivals = compareEvents(eventsOf(siem), caused, writes);
    if (arrivals.missing.length === 0 || performance.now() > untilMs) return arrivals;
    await pause(LOOK_MS);
  }
};
