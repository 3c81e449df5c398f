/** The origin's own instruments: gauges of connections and memory. */
import type { Meter } from "@opentelemetry/api";

/** Adds a gauge that is read at each scrape. @param unit UCUM, such as `s` or `By` */
export const readGauge = (
  meter: Meter,
  name: string,
  description: string,
  read: () => number,
  unit = "",
): void =>
  meter.createObservableGauge(name, { description, unit }).addCallback((result) => result.observe(read()));

/** @param database the connections to PostgreSQL, and the callers that wait for one */
export const observeServer = (
  meter: Meter,
  database: () => { readonly total: number; readonly idle: number; readonly waiting: number },
  requests: { readonly inFlight: number },
): void => {
  meter
    .createObservableGauge("db.client.connection.count", {
      description: "Connections to PostgreSQL, by state",
    })
    .addCallback((result) => {
      const { total, idle } = database();
      result.observe(idle, { "db.client.connection.state": "idle" });
      result.observe(total - idle, { "db.client.connection.state": "used" });
    });
  readGauge(meter, "http.server.active_requests", "Requests in progress", () => requests.inFlight);
  const pending = "Callers waiting for a connection to PostgreSQL";
  readGauge(meter, "db.client.connection.pending_requests", pending, () => database().waiting);
};

/** @param usage of this process's memory */
export const observeCacheMemory = (
  meter: Meter,
  usage: () => { readonly entries: number; readonly bytes: number },
): void => {
  readGauge(meter, "cache.entries", "Responses cached in memory", () => usage().entries);
  readGauge(meter, "cache.size", "Approximate size of responses cached in memory", () => usage().bytes, "By");
};
