/** What the cache has done, for Prometheus. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Route } from "../../contract/route.ts";
import type { CacheOutcome } from "../../middleware/response-cache/outcome.ts";

export type ObserveCache = (route: Route, outcome: CacheOutcome) => void;

/** @param usage of the first level */
export const createCacheMetrics = (
  registry: Registry,
  usage: () => { readonly entries: number; readonly bytes: number },
): ObserveCache => {
  const registers = [registry];
  const requests = new Counter({
    name: "cache_requests_total",
    help: "Requests of cacheable routes, by what the cache made of them",
    labelNames: ["http_route", "outcome"],
    registers,
  });
  new Gauge({
    name: "cache_entries",
    help: "Answers in this process' memory",
    registers,
    collect() {
      this.set(usage().entries);
    },
  });
  new Gauge({
    name: "cache_size_bytes",
    help: "What the answers in this process' memory take, roughly",
    registers,
    collect() {
      this.set(usage().bytes);
    },
  });
  /** As many as there are cacheable routes and outcomes. */
  const series = new Map<string, { inc(): void }>();
  return ({ path }, outcome) => {
    const name = `${path} ${outcome}`;
    let each = series.get(name);
    if (each === undefined) {
      each = requests.labels(path, outcome);
      series.set(name, each);
    }
    each.inc();
  };
};
