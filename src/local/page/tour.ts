/** A tour of five faults: what to do, three things to see, and whether each of them has happened. */
import { SCANNER_CLIENT } from "../faults/all-faults.ts";
import type { Link, SystemState, TourStepView } from "./state.ts";

type Shown = Omit<SystemState, "tour">;

interface Step extends Pick<TourStepView, "title" | "fault" | "action"> {
  readonly see: readonly (readonly [text: string, hasHappened: (state: Shown) => boolean])[];
}

const linkOf = ({ links }: Shown, from: string, to: string): Link | undefined =>
  links.find((link) => link.from === from && link.to === to);
const isDown = ({ nodes }: Shown, name: string): boolean =>
  nodes.some((node) => node.name === name && !node.isUp);
const isOpen = ({ breakers }: Shown, where: string, upstream: string): boolean =>
  breakers.some(
    (breaker) => breaker.where === where && breaker.upstream === upstream && breaker.state !== "closed",
  );

/** Requests are served, and none fails. */
const isServed = (state: Shown): boolean => {
  const { requestsPerSecond = 0, errorsPerSecond = 0 } = linkOf(state, "clients", "edge") ?? {};
  return requestsPerSecond > 0 && errorsPerSecond === 0;
};
const FIRST = "origin 1";
const AVOIDED_MS = 1_000;
const LOAD = "Send 20 requests a second, then";

const STEPS: readonly Step[] = [
  {
    title: "Redis is down: limits go on",
    fault: "redis-stopped",
    action: `${LOAD} stop Redis.`,
    see: [
      ["The edge's circuit breaker for Redis opens.", (state) => isOpen(state, "edge", "redis")],
      [
        "Limits are decided by each isolate on its own: mode local.",
        ({ limits }) => limits.some(({ modes }) => (modes["local"] ?? 0) > 0),
      ],
      [
        "Clients notice nothing: requests, but no errors.",
        (state) => isOpen(state, "edge", "redis") && isServed(state),
      ],
    ],
  },
  {
    title: "An origin dies: the other one takes over",
    fault: "origin-killed",
    action: `${LOAD} kill an origin.`,
    see: [
      [
        "The edge avoids it: its score is above a second, or it is ejected.",
        ({ origins }) =>
          origins.some(
            ({ name, scoreMs, isEjected }) => name === FIRST && (isEjected || (scoreMs ?? 0) > AVOIDED_MS),
          ),
      ],
      [
        "Nearly all traffic goes to the others.",
        (state) =>
          isDown(state, FIRST) && state.origins.some(({ name, share }) => name !== FIRST && share > 0.9),
      ],
      [
        "Clients notice nothing: failed attempts are sent again to another origin.",
        (state) => isDown(state, FIRST) && isServed(state),
      ],
    ],
  },
  {
    title: "PostgreSQL is down: reads from caches, the rest fails fast",
    fault: "postgres-stopped",
    action: `${LOAD} stop PostgreSQL.`,
    see: [
      [
        "The origins' circuit breakers for PostgreSQL open.",
        (state) => state.origins.some(({ name }) => isOpen(state, name, "postgres")),
      ],
      [
        "Cached reads get stale responses.",
        ({ caches }) => caches.some(({ perSecond: { stale, staleOnError } }) => stale + staleOnError > 0),
      ],
      [
        "What needs the database is rejected with 503, at once.",
        (state) => (linkOf(state, "clients", "edge")?.errorsPerSecond ?? 0) > 0,
      ],
    ],
  },
  {
    title: "An origin is slow: it gets less traffic",
    fault: "origin-slow",
    action: `${LOAD} slow an origin down.`,
    see: [
      ["Its responses take 200 ms longer.", (state) => (linkOf(state, "edge", FIRST)?.p99Ms ?? 0) >= 200],
      [
        "Its score is worse than the others'.",
        ({ origins }) => {
          const own = origins.find(({ name }) => name === FIRST)?.scoreMs ?? 0;
          return origins.some(({ name, scoreMs }) => name !== FIRST && scoreMs !== null && own > 2 * scoreMs);
        },
      ],
      [
        "Its share of the traffic falls below a third.",
        ({ origins }) => origins.some(({ name, share }) => name === FIRST && share > 0 && share < 1 / 3),
      ],
    ],
  },
  {
    title: "A scanner comes: it is found, reported and blocked",
    fault: "scanner",
    action: "Switch the scanner on, and give it fifteen seconds.",
    see: [
      [
        "Screening rejects its requests: security events of the type suspicious_activity.",
        ({ securityEvents: { totals } }) => (totals["suspicious_activity"] ?? 0) > 0,
      ],
      [
        "The SIEM receives them within seconds: the rule is scanner_path.",
        ({ securityEvents: { newest } }) =>
          newest.some(({ client, message }) => client === SCANNER_CLIENT && message.includes("scanner_path")),
      ],
      [
        "Its address is blocked: security events of the rule blocked_client.",
        ({ securityEvents: { newest } }) =>
          newest.some(
            ({ client, message }) => client === SCANNER_CLIENT && message.includes("blocked_client"),
          ),
      ],
    ],
  },
];

/** Remembers what has happened since each fault was last switched on. */
export const createTour = () => {
  const seen = new Map<string, Set<string>>();
  return {
    /** A fault was switched on: its step begins again. */
    begin: (fault: string): void => void seen.set(fault, new Set()),
    look: (state: Shown): void => {
      for (const { fault, see } of STEPS) {
        if (!state.faults.some(({ name, isOn }) => name === fault && isOn)) continue;
        for (const [text, hasHappened] of see) if (hasHappened(state)) seen.get(fault)?.add(text);
      }
    },
    /** Without steps whose fault this system lacks. @param faults by their names */
    steps: (faults: readonly string[]): TourStepView[] =>
      STEPS.filter(({ fault }) => faults.includes(fault)).map(({ see, ...step }) => {
        const things = see.map(([text]) => ({ text, isDone: seen.get(step.fault)?.has(text) ?? false }));
        return { ...step, see: things, isDone: things.every(({ isDone }) => isDone) };
      }),
  };
};
