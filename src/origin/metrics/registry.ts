/** Prometheus metrics of the process itself. */
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** Adds a gauge that is read at each scrape. */
export const readGauge = (registry: Registry, name: string, help: string, read: () => number): void => {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
};

interface ProcessMetrics {
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Connections to PostgreSQL. */
  readonly database: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  readonly activeRequests: () => number;
}

/** @returns the registry, with the process's metrics @param registry @default a new one */
export const createRegistry = (metrics: ProcessMetrics, registry = new Registry()): Registry => {
  const { serviceName, serviceVersion, database, activeRequests } = metrics;
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "target_info",
    help: "Name and version of the service",
    labelNames: ["service_name", "service_version"],
    aggregator: "first",
    registers: [registry],
  }).set({ service_name: serviceName, service_version: serviceVersion }, 1);
  new Gauge({
    name: "db_client_connection_count",
    help: "Connections to PostgreSQL, by state",
    labelNames: ["db_client_connection_state"],
    registers: [registry],
    collect() {
      const { total, idle } = database();
      this.set({ db_client_connection_state: "idle" }, idle);
      this.set({ db_client_connection_state: "used" }, total - idle);
    },
  });
  readGauge(registry, "http_server_active_requests", "Requests in progress", activeRequests);
  readGauge(
    registry,
    "db_client_connection_pending_requests",
    "Callers waiting for a connection to PostgreSQL",
    () => database().waiting,
  );
  return registry;
};
