/** The edge's cache in memory, without expiry. */
import type { PlatformCache } from "../../src/edge/stores/response-cache.ts";

export interface MemoryStore extends PlatformCache {
  readonly keys: readonly string[];
  /** Lookups never settle from now on. */
  hang(): void;
}

const LATENCY_MS = 3;

export const createMemoryStore = (): MemoryStore => {
  const entries = new Map<string, { readonly body: ArrayBuffer; readonly headers: Headers }>();
  let hangs = false;
  return {
    get keys() {
      return [...entries.keys()];
    },
    hang: () => {
      hangs = true;
    },
    match: async (key) => {
      if (hangs) return await new Promise<never>(() => undefined);
      // The platform's cache has a latency too, so no lookup resolves at once.
      await new Promise((resolve) => setTimeout(resolve, LATENCY_MS));
      const entry = entries.get(key);
      return entry && new Response(entry.body.slice(0), { headers: entry.headers });
    },
    put: async (key, entry) => {
      entries.set(key, { body: await entry.arrayBuffer(), headers: new Headers(entry.headers) });
    },
  };
};
