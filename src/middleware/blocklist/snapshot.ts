/**
 * An isolate's copy of the blocklist, refreshed by version in the background. Only the first request, and one
 * after a pause, waits for it. Requests share plain data: one loads the list, the others poll for it.
 */
import { sleep } from "../../lib/async.ts";
import { fromBase64, toBase64 } from "../../lib/encoding.ts";
import { type Lease, SingleFlight } from "../../resilience/single-flight.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import type { Log } from "../problems/index.ts";
import type { Blocklist } from "./blocklist.ts";

export type SnapshotContext = VariableReader<ContextVariables>;

export interface VersionedBlocklist {
  readonly version: string;
  readonly list: Blocklist;
}

/** Returns the current list: `known` itself if its version is current. @throws if it is unavailable */
export type LoadBlocklist = (
  known: VersionedBlocklist | undefined,
  c: SnapshotContext,
) => Promise<VersionedBlocklist>;

/** Returns the isolate's copy, synchronously if it is recent; undefined if none was ever loaded. */
export type BlocklistSnapshot = (
  c: SnapshotContext,
) => Blocklist | undefined | Promise<Blocklist | undefined>;

export interface BlocklistSnapshotDeps {
  readonly load: LoadBlocklist;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** Age at which the copy is refreshed in the background. */
const REFRESH_AFTER_MS = 2_500;
/**
 * Age at which requests wait for a refresh. With the 5 s for which Redis may hold a list that no origin can
 * renew, or the 2 s within which an origin publishes a block, a block is enforced everywhere within 10 s.
 */
const WAIT_AFTER_MS = 4_500;
/** Longest wait; after it the copy is used as it is. */
const WAIT_MS = 150;
const POLL_MS = 10;
/** Maximum duration of a load; after it, another request loads the list. */
const LOAD_MS = 10_000;
/** Time between a failed load and the next one. */
const RETRY_MS = 1_000;

export const blocklistSnapshot = ({ load, now, log }: BlocklistSnapshotDeps): BlocklistSnapshot => {
  const loads = new SingleFlight(LOAD_MS);
  let current: VersionedBlocklist | undefined;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let failedAtMs: number | undefined;
  /** End of the lease of a load that outlasted a request's wait, so that no other request waits for it. */
  let slowUntilMs: number | undefined;

  const loadingUntilMs = (): number | undefined => loads.heldUntilMs("list", now());
  /** False for a time in the future: the clock was set back. */
  const isRecent = (atMs: number, nowMs: number, ms: number): boolean => nowMs >= atMs && nowMs - atMs < ms;

  const refresh = async (c: SnapshotContext, lease: Lease): Promise<void> => {
    const beganAtMs = now();
    const result = await load(current, c).then(
      (loaded) => ({ loaded }),
      (error: unknown) => ({ error }),
    );
    // A later load has replaced this one, and may have loaded a newer list.
    if (!loads.release(lease)) return;
    if ("error" in result) {
      const [message, error] = ["the blocklist is unavailable", String(result.error)];
      if (failedAtMs === undefined) log({ level: "warn", message, error, has: current?.version });
      failedAtMs = now();
      return;
    }
    current = result.loaded;
    checkedAtMs = beganAtMs;
    if (failedAtMs !== undefined) log({ level: "info", message: "the blocklist is available again" });
    failedAtMs = undefined;
  };

  const awaitRefresh = async (): Promise<Blocklist | undefined> => {
    const untilMs = loadingUntilMs();
    for (let waitedMs = 0; waitedMs < WAIT_MS && loadingUntilMs(); waitedMs += POLL_MS) await sleep(POLL_MS);
    if (loadingUntilMs() === untilMs) slowUntilMs = untilMs;
    return current?.list;
  };

  return (c) => {
    const nowMs = now();
    if (isRecent(checkedAtMs, nowMs, REFRESH_AFTER_MS)) return current?.list;
    const hasFailedSince = (ms: number): boolean =>
      failedAtMs !== undefined && isRecent(failedAtMs, nowMs, ms);
    const lease = hasFailedSince(RETRY_MS) ? undefined : loads.acquire("list", nowMs);
    if (lease !== undefined) c.get("waitUntil")(refresh(c, lease));
    const mustWait =
      !isRecent(checkedAtMs, nowMs, WAIT_AFTER_MS) &&
      !hasFailedSince(WAIT_AFTER_MS) &&
      slowUntilMs !== loadingUntilMs();
    return mustWait ? awaitRefresh() : current?.list;
  };
};

/** Maximum number of networks: 5 MB compiled, of the 128 MB of an isolate. */
export const MAX_ENTRIES = 200_000;

/** More than the largest list needs. */
export const MAX_BYTES = 8 * 1024 * 1024;
const MAX_PARTS = 64;

/**
 * Redis hash of the compiled list: a version (`VERSION_FIELD`), and the list as base64 in parts, so that no
 * Redis command is large.
 */
export const publishedBlocklistName = (prefix: string): string => `${prefix}blocklist`;

/** The field with the number of parts. The parts are named `0`, `1`, … */
export const PARTS_FIELD = "@parts";

/** A multiple of three, so that only the last part has padding. */
const PART_BYTES = 192 * 1024;
const PART_LENGTH = (PART_BYTES / 3) * 4;

/** The hash's fields, without the version. */
export const writeParts = (bytes: Uint8Array): Record<string, string> => {
  const count = Math.max(1, Math.ceil(bytes.byteLength / PART_BYTES));
  const fields: Record<string, string> = { [PARTS_FIELD]: String(count) };
  for (let index = 0; index < count; index += 1)
    fields[index] = toBase64(bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES));
  return fields;
};

/** The compiled list; undefined if a part is missing or invalid. */
export const readParts = (values: Readonly<Record<string, string>>): Uint8Array | undefined => {
  const count = values[PARTS_FIELD] ?? "";
  if (!/^[1-9]\d?$/.test(count) || Number(count) > MAX_PARTS) return undefined;
  let text = "";
  for (let index = 0; index < Number(count); index += 1) {
    const part = values[index];
    if (part === undefined || part.length > PART_LENGTH) return undefined;
    text += part;
  }
  return fromBase64(text);
};
