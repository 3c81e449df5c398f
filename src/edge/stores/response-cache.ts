/**
 * The response cache's store in the platform's cache
 * (https://developers.cloudflare.com/workers/runtime-apis/cache/). That cache silently drops responses
 * without a plain lifetime, and enforces it. So a stored response has a Cache-Control of its whole lifetime;
 * the client's Cache-Control and the time of generation are in separate fields.
 */
import { isProblem } from "../../contract/problem.ts";
import { withTimeout } from "../../lib/async.ts";
import { type Entry, lifetimeMs, sharedWindows } from "../../middleware/response-cache/entry.ts";
import { createResponseCache, type ResponseCache } from "../../middleware/response-cache/index.ts";
import { readTags, writeTags } from "../../middleware/response-cache/invalidations.ts";
import type { CacheStore } from "../../middleware/response-cache/ports.ts";
import type { EdgeDeps } from "../app.ts";
import { createLeasedFills } from "./leased-fills.ts";

/** The part of the Cache API used here. Keys are URLs. */
export interface PlatformCache {
  match(key: string): Promise<Response | undefined>;
  put(key: string, response: Response): Promise<void>;
}

type EdgeCacheDeps = Pick<EdgeDeps, "store" | "now" | "log">;

/** Maximum wait for the platform's cache, milliseconds. */
const WAIT_MS = 100;
const TIMES = "breakwater-entry-times";
const TAGS = "breakwater-entry-tags";
const CACHE_CONTROL = "breakwater-entry-cache-control";

/** @returns undefined for a response that this store did not write */
const decode = (response: Response): Entry | undefined => {
  const { age: _, "cf-cache-status": __, ...fields } = Object.fromEntries(response.headers);
  const { [TIMES]: times = "", [TAGS]: tags = "", [CACHE_CONTROL]: cacheControl = "", ...others } = fields;
  const windows = sharedWindows(cacheControl);
  const [generatedAtMs = Number.NaN, asOfMs = Number.NaN] = times.split(" ").map(Number);
  if (windows === undefined || !Number.isFinite(generatedAtMs) || !Number.isFinite(asOfMs)) return undefined;
  const headers = { ...others, "cache-control": cacheControl };
  const stored = { status: 200, headers, body: response.body } as const;
  return { response: stored, windows, generatedAtMs, asOfMs, tags: readTags(tags) };
};

const createEdgeStore = ({ store, now, log }: EdgeCacheDeps): CacheStore => ({
  get: async (key) => {
    try {
      const response = await withTimeout(store.match(key), WAIT_MS);
      return response && decode(response);
    } catch {
      return undefined;
    }
  },
  put: async (key, { response, windows, generatedAtMs, asOfMs, tags }) => {
    const restS = Math.floor((generatedAtMs + lifetimeMs(windows) - now()) / 1_000);
    if (isProblem(response) || restS < 1) return;
    const headers = {
      ...response.headers,
      [CACHE_CONTROL]: response.headers["cache-control"] ?? "",
      [TAGS]: writeTags(tags),
      [TIMES]: `${generatedAtMs} ${asOfMs}`,
      "cache-control": `public, max-age=${restS}`,
    };
    try {
      await store.put(key, new Response(response.body, { status: 200, headers }));
    } catch (error) {
      log({ level: "warn", message: "response not cached", error: String(error) });
    }
  },
});

export const createEdgeResponseCache = (deps: EdgeCacheDeps): ResponseCache => {
  const store = createEdgeStore(deps);
  const { now } = deps;
  return createResponseCache({ tier: "edge", store, fills: createLeasedFills(store, now), now });
};
