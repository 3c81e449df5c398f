/** What the page's routes work on. */
import type { LocalOrigin } from "../origin.ts";
import type { Page } from "./routes.ts";
import type { SystemState } from "./state.ts";

interface PageOptions {
  readonly edgeUrl: string;
  readonly origins: readonly LocalOrigin[];
}

export const createPage = ({ edgeUrl, origins }: PageOptions): Page => {
  const state = async (): Promise<SystemState> => ({
    atMs: Date.now(),
    edgeUrl,
    nodes: origins.map(({ name, url }) => ({ name, kind: "origin", detail: url, isUp: true })),
    links: [],
    breakers: [],
    origins: [],
    limits: [],
    buckets: [],
    caches: [],
    overload: [],
    securityEvents: { totals: {}, newest: [] },
    outbox: { waiting: 0, dead: 0, oldestAgeS: 0 },
    faults: [],
    load: { requestsPerSecond: 0 },
    tour: [],
  });
  return {
    state,
    setFault: async () => false,
    clearFaults: async () => undefined,
    setLoad: () => undefined,
    send: () => Promise.reject(new Error("not yet")),
    report: () => undefined,
  };
};
