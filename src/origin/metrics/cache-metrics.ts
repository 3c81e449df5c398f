/** Prometheus metrics of the response cache. */
import { Counter, type Registry } from "prom-client";
import type { Route } from "../../contract/route.ts";
import type { CacheOutcome } from "../../middleware/response-cache/outcome.ts";
import { readGauge } from "./registry.ts";

export type ObserveCache = (route: Route, outcome: CacheOutcome) => void;

/** @param usage of this process's memory */
export const createCacheMetrics = (
  registry: Registry,
  usage: () => { readonly entries: number; readonly bytes: number },
): ObserveCache => {
  const requests = new Counter({
    name: "cache_requests_total",
    help: "Requests for cacheable routes, by cache outcome",
    labelNames: ["http_route", "outcome"],
    registers: [registry],
  });
  readGauge(registry, "cache_entries", "Responses cached in memory", () => usage().entries);
  readGauge(
    registry,
    "cache_size_bytes",
    "Approximate size of responses cached in memory",
    () => usage().bytes,
  );
  return ({ path }, outcome) => requests.inc({ http_route: path, outcome });
};
