/** What the edge's cache is to it, in memory and without an end to what is kept. */
import type { PlatformCache } from "../../src/edge/stores/response-cache.ts";

export interface MemoryStore extends PlatformCache {
  readonly keys: readonly string[];
  /** When the store is asked for something, it does not answer. */
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
      // The platform's takes its time, too: what is awaited is never there at once.
      await new Promise((resolve) => setTimeout(resolve, LATENCY_MS));
      const entry = entries.get(key);
      return entry && new Response(entry.body.slice(0), { headers: entry.headers });
    },
    put: async (key, entry) => {
      entries.set(key, { body: await entry.arrayBuffer(), headers: new Headers(entry.headers) });
    },
  };
};
