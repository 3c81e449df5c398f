/** What is measured at the origin: each cell is a server with settings of its own, a route, and a share of sampled requests. */

/** `none`: without any telemetry, which takes a change of the program; `off`: metrics alone, as nothing is configured. */
export const ORIGIN_SERVERS = ["none", "off", "log", "traces", "on"] as const;
export type OriginServer = (typeof ORIGIN_SERVERS)[number];

export const isExporting = (server: OriginServer): boolean => server === "traces" || server === "on";
export const isLogging = (server: OriginServer): boolean => server === "log" || server === "on";

/** `trivial`: from memory; `statement`: with a SELECT. */
export type OriginRoute = "trivial" | "statement";

export interface OriginCell {
  readonly id: string;
  readonly title: string;
  readonly server: OriginServer;
  readonly route: OriginRoute;
  /** One request in so many is sampled; 0: none is. */
  readonly sampledIn: number;
}

const cell = (route: OriginRoute, server: OriginServer, sampledIn: number, title: string): OriginCell => ({
  id: `${route}_${server}_${sampledIn === 0 ? 0 : 100 / sampledIn}`,
  title,
  server,
  route,
  sampledIn,
});

export const TRIVIAL_CELLS: readonly OriginCell[] = [
  cell("trivial", "none", 0, "trivial: without any telemetry"),
  cell("trivial", "off", 0, "off: metrics alone"),
  cell("trivial", "log", 0, "metrics, access log"),
  cell("trivial", "traces", 0, "metrics, traces 0 %"),
  cell("trivial", "traces", 10, "metrics, traces 10 %"),
  cell("trivial", "traces", 1, "metrics, traces 100 %"),
  cell("trivial", "on", 10, "on: all, traces 10 %"),
  cell("trivial", "on", 1, "all, traces 100 %"),
];

export const STATEMENT_CELLS: readonly OriginCell[] = [
  cell("statement", "none", 0, "SELECT: without any telemetry"),
  cell("statement", "off", 0, "off: metrics alone"),
  cell("statement", "traces", 1, "metrics, traces 100 %"),
  cell("statement", "on", 10, "on: all, traces 10 %"),
  cell("statement", "on", 1, "all, traces 100 %"),
];
