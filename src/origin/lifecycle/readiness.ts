/**
 * Whether this process may get requests. Ready means configured, migrated and not draining; dependencies are
 * told, but one that is away makes nobody unready: Kubernetes would take away every pod at once.
 */
import { within } from "../within.ts";

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
 * A dependency that takes longer to answer counts as down, milliseconds. Kubernetes' own probes wait a second:
 * a report must come within it, or a dependency that hangs would make everybody unready.
 */
const PROBE_TIMEOUT_MS = 500;
/** For so long one look at the dependencies serves every caller, milliseconds. */
const REPORT_LIFETIME_MS = 1_000;

const probe = (ping: () => Promise<void>): Promise<DependencyState> => {
  const answered = ping().then(
    (): DependencyState => "up",
    (): DependencyState => "down",
  );
  return within(answered, PROBE_TIMEOUT_MS, "down");
};

/** @param pings one a dependency; each rejects where the dependency is away */
export const createReadiness = (
  pings: Readonly<Record<string, () => Promise<void>>>,
  now: () => number,
): Readiness => {
  let isMigrated = false;
  let isDraining = false;
  let looked: { atMs: number; states: Promise<Record<string, DependencyState>> } | undefined;

  const dependencies = (): Promise<Record<string, DependencyState>> => {
    if (looked === undefined || now() - looked.atMs >= REPORT_LIFETIME_MS) {
      const states = Promise.all(
        Object.entries(pings).map(async ([name, ping]) => [name, await probe(ping)] as const),
      ).then((entries) => Object.fromEntries(entries));
      looked = { atMs: now(), states };
    }
    return looked.states;
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
