/**
 * The blocklist as an isolate holds it: looked after in the background by its version, so that no request waits for it but
 * an isolate's first, and one that comes after a pause. What requests share is plain data: one of them loads it, the others
 * look now and then whether it is there.
 */

import { sleep } from "../../lib/async.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import type { Blocklist } from "./blocklist.ts";

export type SnapshotContext = VariableReader<ContextVariables>;

export interface VersionedBlocklist {
  readonly version: string;
  readonly list: Blocklist;
}

/**
 * Has the present list.
 *
 * @param known is given back as it is where it is the present one still
 * @throws where nobody can say
 */
export type LoadBlocklist = (
  known: VersionedBlocklist | undefined,
  c: SnapshotContext,
) => Promise<VersionedBlocklist>;

/** What there is; undefined where there never was one. It resolves in a moment where nobody has looked lately. */
export type BlocklistSnapshot = (
  c: SnapshotContext,
) => Blocklist | undefined | Promise<Blocklist | undefined>;

export interface BlocklistSnapshotDeps {
  readonly load: LoadBlocklist;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Takes what is for operators' eyes. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

/** From then on it is looked after in the background. */
const REFRESH_AFTER_MS = 2_500;
/**
 * What is older is waited for. With the 5 s for which Redis may hold a list that no origin can renew, or the 2 s after which
 * an origin publishes a block, it holds everywhere within 10 s.
 */
const WAIT_AFTER_MS = 4_500;
/** Nobody waits longer for it: what there is counts then. */
const WAIT_MS = 150;
const LOOK_EVERY_MS = 10;
/** Whoever loads it has so long until another one does. */
const LOAD_MS = 10_000;
/** Where it cannot be had it is tried again after so long, and not waited for meanwhile. */
const RETRY_MS = 1_000;

export const blocklistSnapshot = ({ load: loadList, now, log }: BlocklistSnapshotDeps): BlocklistSnapshot => {
  let held: VersionedBlocklist | undefined;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let loadingUntilMs = Number.NEGATIVE_INFINITY;
  let failedAtMs: number | undefined;
  /** The loading that has been waited for in vain, by when it is given up. */
  let vainUntilMs: number | undefined;

  const load = async (c: SnapshotContext): Promise<void> => {
    const beganAtMs = now();
    const untilMs = beganAtMs + LOAD_MS;
    loadingUntilMs = untilMs;
    try {
      const loaded = await loadList(held, c);
      // One that was given up brings what is older than what a later one has brought.
      if (loadingUntilMs !== untilMs) return;
      held = loaded;
      checkedAtMs = beganAtMs;
      if (failedAtMs !== undefined) log({ level: "info", message: "the blocklist can be had again" });
      failedAtMs = undefined;
    } catch (error) {
      if (loadingUntilMs !== untilMs) return;
      if (failedAtMs === undefined)
        log({
          level: "warn",
          message: "the blocklist cannot be had",
          error: String(error),
          has: held?.version,
        });
      failedAtMs = now();
    } finally {
      if (loadingUntilMs === untilMs) loadingUntilMs = Number.NEGATIVE_INFINITY;
    }
  };

  const isLoading = (nowMs: number): boolean => nowMs < loadingUntilMs && nowMs >= loadingUntilMs - LOAD_MS;

  const waited = async (): Promise<Blocklist | undefined> => {
    const untilMs = loadingUntilMs;
    for (let waitedMs = 0; waitedMs < WAIT_MS && isLoading(now()); waitedMs += LOOK_EVERY_MS)
      await sleep(LOOK_EVERY_MS);
    if (loadingUntilMs === untilMs && isLoading(now())) vainUntilMs = untilMs;
    return held?.list;
  };

  return (c) => {
    const nowMs = now();
    const ageMs = nowMs - checkedAtMs;
    // A clock that was set back says nothing about how old it is.
    if (ageMs >= 0 && ageMs < REFRESH_AFTER_MS) return held?.list;
    const mayTry = failedAtMs === undefined || nowMs < failedAtMs || nowMs - failedAtMs >= RETRY_MS;
    if (mayTry && !isLoading(nowMs)) c.get("waitUntil")(load(c));
    const isRecent = ageMs >= 0 && ageMs < WAIT_AFTER_MS;
    const hasJustFailed =
      failedAtMs !== undefined && nowMs >= failedAtMs && nowMs - failedAtMs < WAIT_AFTER_MS;
    return isRecent || hasJustFailed || vainUntilMs === loadingUntilMs ? held?.list : waited();
  };
};
