/**
 * Whether this process may receive requests. Ready means configured, migrated and not draining. Dependencies are reported, but
 * one that is down does not make a pod unready: Kubernetes would remove every pod at once.
 */
import { withTimeout } from "../../lib/async.ts";

export type DependencyState = "up" | "down";

export interface Readiness {
  migrated(): void;
  drain(): void;
  readonly isDraining: boolean;
  readonly isMigrated: boolean;
  report(): Promise<ReadinessReport>;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly migrated: boolean;
  readonly draining: boolean;
  readonly dependencies: Readonly<Record<string, DependencyState>>;
}

/**
 * A dependency that takes longer to answer counts as down, milliseconds. Kubernetes' probes wait a second: a report has to
 * come within it, or a dependency that hangs would make every pod unready.
 */
const PROBE_TIMEOUT_MS = 500;
/** How long one check of the dependencies serves every caller, milliseconds. */
const CHECK_LIFETIME_MS = 1_000;

const probe = (ping: () => Promise<void>): Promise<DependencyState> => {
  const answered = ping().then(
    (): DependencyState => "up",
    (): DependencyState => "down",
  );
  return withTimeout(answered, PROBE_TIMEOUT_MS, { fallback: "down" });
};

/** @param pings one per dependency; each rejects if the dependency is down */
export const createReadiness = (
  pings: Readonly<Record<string, () => Promise<void>>>,
  now: () => number,
): Readiness => {
  let isMigrated = false;
  let isDraining = false;
  let lastCheck: { atMs: number; states: Promise<Record<string, DependencyState>> } | undefined;

  const dependencies = (): Promise<Record<string, DependencyState>> => {
    if (lastCheck === undefined || now() - lastCheck.atMs >= CHECK_LIFETIME_MS) {
      const states = Promise.all(
        Object.entries(pings).map(async ([name, ping]) => [name, await probe(ping)] as const),
      ).then((entries) => Object.fromEntries(entries));
      lastCheck = { atMs: now(), states };
    }
    return lastCheck.states;
  };

  return {
    migrated: () => {
      isMigrated = true;
    },
    drain: () => {
      isDraining = true;
    },
    get isDraining() {
      return isDraining;
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
