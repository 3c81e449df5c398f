/**
 * Whether this process may receive requests: it is configured, migrated and not draining. A dependency that
 * is down is reported, but does not make a pod unready, because Kubernetes would remove every pod at once.
 */
import { Hono } from "hono";
import { withTimeout } from "../../lib/async.ts";
import { CONTENT_TYPE } from "../metrics/prometheus.ts";

type DependencyState = "up" | "down";

/** A slower dependency counts as down, milliseconds. Kubernetes' probes wait a second for the report. */
const PING_TIMEOUT_MS = 500;
/** How long callers share one check of the dependencies, milliseconds. */
const CHECK_LIFETIME_MS = 1_000;

const check = (ping: () => Promise<void>): Promise<DependencyState> => {
  const state = ping().then(
    (): DependencyState => "up",
    (): DependencyState => "down",
  );
  return withTimeout(state, PING_TIMEOUT_MS, { fallback: "down" });
};

export type Readiness = ReturnType<typeof createReadiness>;

/** @param pings one per dependency; each rejects if the dependency is down */
export const createReadiness = (pings: Readonly<Record<string, () => Promise<void>>>, now: () => number) => {
  let isMigrated = false;
  let isDraining = false;
  let lastCheck: { atMs: number; states: Promise<Record<string, DependencyState>> } | undefined;

  const dependencies = (): Promise<Record<string, DependencyState>> => {
    if (lastCheck === undefined || now() - lastCheck.atMs >= CHECK_LIFETIME_MS) {
      const states = Object.entries(pings).map(async ([name, ping]) => [name, await check(ping)] as const);
      lastCheck = { atMs: now(), states: Promise.all(states).then((all) => Object.fromEntries(all)) };
    }
    return lastCheck.states;
  };

  return {
    migrated: (): void => {
      isMigrated = true;
    },
    drain: (): void => {
      isDraining = true;
    },
    get isMigrated() {
      return isMigrated;
    },
    report: async () => ({
      ready: isMigrated && !isDraining,
      migrated: isMigrated,
      draining: isDraining,
      dependencies: await dependencies(),
    }),
  };
};

const headers = { "cache-control": "no-store" };

interface Reporter {
  report(): Promise<{ readonly ready: boolean }>;
}

/** `/health`: the process runs. `/ready`: it may receive requests. Both are reachable without a signature. */
export const createProbes = (readiness: Reporter): Hono => {
  const app = new Hono();
  app.get("/health", (c) => c.json({ status: "ok" }, 200, headers));
  app.get("/ready", async (c) => {
    const report = await readiness.report();
    return c.json(report, report.ready ? 200 : 503, headers);
  });
  return app;
};

/** The admin port: the probes, and metrics for Prometheus. */
export const createAdmin = (readiness: Reporter, metrics: () => Promise<string>): Hono => {
  const app = createProbes(readiness);
  app.get("/metrics", async (c) => c.body(await metrics(), 200, { "content-type": CONTENT_TYPE }));
  return app;
};
