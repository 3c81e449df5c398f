/** A process' metrics, for Prometheus. */
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";

export interface ProcessMetrics {
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Connections to the database. */
  readonly database: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  readonly activeRequests: () => number;
}

/** @param registry takes them @default a new one */
export const createRegistry = (metrics: ProcessMetrics, registry = new Registry()): Registry => {
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: "target_info",
    help: "What this process is",
    labelNames: ["service_name", "service_version"],
    aggregator: "first",
    registers,
  })
    .labels(metrics.serviceName, metrics.serviceVersion)
    .set(1);
  new Gauge({
    name: "http_server_active_requests",
    help: "Requests that have no answer yet",
    registers,
    collect() {
      this.set(metrics.activeRequests());
    },
  });
  new Gauge({
    name: "db_client_connection_count",
    help: "Connections to PostgreSQL",
    labelNames: ["db_client_connection_state"],
    registers,
    collect() {
      const { total, idle } = metrics.database();
      this.labels("idle").set(idle);
      this.labels("used").set(total - idle);
    },
  });
  new Gauge({
    name: "db_client_connection_pending_requests",
    help: "Callers that wait for a connection to PostgreSQL",
    registers,
    collect() {
      this.set(metrics.database().waiting);
    },
  });
  return registry;
};
