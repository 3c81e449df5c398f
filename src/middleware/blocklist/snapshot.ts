/**
 * An isolate's copy of the blocklist, refreshed in the background by its version. Only an isolate's first request waits
 * for it, and one after a pause. Requests share plain data: one loads the list, the others poll for it.
 */
import { sleep } from "../../lib/async.ts";
import { fromBase64, toBase64 } from "../../lib/encoding.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import type { Log } from "../problems/index.ts";
import type { Blocklist } from "./blocklist.ts";

export type SnapshotContext = VariableReader<ContextVariables>;

export interface VersionedBlocklist {
  readonly version: string;
  readonly list: Blocklist;
}

/**
 * Loads the current list.
 *
 * @param known returned as it is if it is current
 * @throws if the list is unavailable
 */
export type LoadBlocklist = (
  known: VersionedBlocklist | undefined,
  c: SnapshotContext,
) => Promise<VersionedBlocklist>;

/** The isolate's copy; undefined if none was ever loaded. Synchronous if the copy is recent. */
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
 * Age at which requests wait for a refresh. With the 5 s for which Redis may hold a list that no origin can renew, or the
 * 2 s within which an origin publishes a block, a block is enforced everywhere within 10 s.
 */
const WAIT_AFTER_MS = 4_500;
/** Longest wait; after it the copy is used as it is. */
const WAIT_MS = 150;
const POLL_MS = 10;
/** Time after which another request may load the list instead. */
const LOAD_MS = 10_000;
/** From a failed load to the next. Requests do not wait meanwhile. */
const RETRY_MS = 1_000;

export const blocklistSnapshot = ({ load, now, log }: BlocklistSnapshotDeps): BlocklistSnapshot => {
  let current: VersionedBlocklist | undefined;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  /** Identifies the current load; negative infinity without one. */
  let loadingUntilMs = Number.NEGATIVE_INFINITY;
  let failedAtMs: number | undefined;
  /** The `loadingUntilMs` of a load that outlasted a request's wait. */
  let slowUntilMs: number | undefined;

  /** False for a time in the future: the clock was set back. */
  const isRecent = (atMs: number, nowMs: number, ms: number): boolean => nowMs >= atMs && nowMs - atMs < ms;
  const isLoading = (nowMs: number): boolean => isRecent(loadingUntilMs - LOAD_MS, nowMs, LOAD_MS);

  const refresh = async (c: SnapshotContext): Promise<void> => {
    const beganAtMs = now();
    const untilMs = beganAtMs + LOAD_MS;
    loadingUntilMs = untilMs;
    try {
      const loaded = await load(current, c);
      // A later load has replaced this one, and may have loaded a newer list.
      if (loadingUntilMs !== untilMs) return;
      current = loaded;
      checkedAtMs = beganAtMs;
      if (failedAtMs !== undefined) log({ level: "info", message: "the blocklist is available again" });
      failedAtMs = undefined;
    } catch (error) {
      if (loadingUntilMs !== untilMs) return;
      if (failedAtMs === undefined)
        log({
          level: "warn",
          message: "the blocklist is unavailable",
          error: String(error),
          has: current?.version,
        });
      failedAtMs = now();
    } finally {
      if (loadingUntilMs === untilMs) loadingUntilMs = Number.NEGATIVE_INFINITY;
    }
  };

  const awaitRefresh = async (): Promise<Blocklist | undefined> => {
    const untilMs = loadingUntilMs;
    for (let waitedMs = 0; waitedMs < WAIT_MS && isLoading(now()); waitedMs += POLL_MS) await sleep(POLL_MS);
    if (loadingUntilMs === untilMs && isLoading(now())) slowUntilMs = untilMs;
    return current?.list;
  };

  return (c) => {
    const nowMs = now();
    if (isRecent(checkedAtMs, nowMs, REFRESH_AFTER_MS)) return current?.list;
    const hasFailedSince = (ms: number): boolean =>
      failedAtMs !== undefined && isRecent(failedAtMs, nowMs, ms);
    if (!hasFailedSince(RETRY_MS) && !isLoading(nowMs)) c.get("waitUntil")(refresh(c));
    const mustWait =
      !isRecent(checkedAtMs, nowMs, WAIT_AFTER_MS) &&
      !hasFailedSince(WAIT_AFTER_MS) &&
      slowUntilMs !== loadingUntilMs;
    return mustWait ? awaitRefresh() : current?.list;
  };
};

/** Most networks of a list: 5 MB compiled; an isolate has 128 MB in all. */
export const MAX_ENTRIES = 200_000;

/** Above the compiled size of the largest list. */
export const MAX_BYTES = 8 * 1024 * 1024;

/**
 * The hash in Redis with the compiled list, as the edge reads it: a version (`VERSION_FIELD`), and the list as base64 in
 * parts, so that no Redis command is large.
 */
export const publishedBlocklistName = (prefix: string): string => `${prefix}blocklist`;

/** The field with the number of parts, which are named `0`, `1`, … */
export const PARTS_FIELD = "@parts";

/** Bytes per part, a multiple of three: only the last part has padding. */
const PART_BYTES = 192 * 1024;
const PART_LENGTH = (PART_BYTES / 3) * 4;
/** More than the largest list needs. */
const MAX_PARTS = 64;

/** The hash's fields, without the version. */
export const writeParts = (bytes: Uint8Array): Record<string, string> => {
  const count = Math.max(1, Math.ceil(bytes.byteLength / PART_BYTES));
  const fields: Record<string, string> = { [PARTS_FIELD]: String(count) };
  for (let index = 0; index < count; index += 1)
    fields[index] = toBase64(bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES));
  return fields;
};

const COUNT = /^[1-9]\d?$/;

/** The compiled list; undefined if a part is missing or invalid. */
export const readParts = (values: Readonly<Record<string, string>>): Uint8Array | undefined => {
  const count = values[PARTS_FIELD];
  if (count === undefined || !COUNT.test(count) || Number(count) > MAX_PARTS) return undefined;
  let text = "";
  for (let index = 0; index < Number(count); index += 1) {
    const part = values[index];
    if (part === undefined || part.length > PART_LENGTH) return undefined;
    text += part;
  }
  // Standard base64 alone, as the faster method of Workers takes it, which Node 24 lacks.
  if (text.includes("-") || text.includes("_")) return undefined;
  try {
    return Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : fromBase64(text);
  } catch {
    return undefined;
  }
};
