/** What is measured at the edge: each cell is a server with settings of its own; all are asked the same. */
import type { EdgeScripts } from "./servers.ts";

export interface EdgeCell {
  readonly id: string;
  readonly title: string;
  readonly script: keyof EdgeScripts;
  /** Its vars. @param collectorUrl its own base address there */
  settings(collectorUrl: string): Readonly<Record<string, string>>;
}

const edge = (id: string, title: string, ratio: number | undefined, accessLog: boolean): EdgeCell => ({
  id,
  title,
  script: "deployed",
  settings: (collectorUrl) => ({
    ACCESS_LOG: accessLog ? "all" : "false",
    ...(ratio === undefined
      ? {}
      : { OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl, OTEL_TRACES_SAMPLER_ARG: String(ratio) }),
  }),
});

const instrumented = (id: string, title: string, ratio: number): EdgeCell => ({
  id,
  title,
  script: "instrumented",
  settings: (collectorUrl) => ({ COLLECTOR: collectorUrl, RATIO: String(ratio) }),
});

export const EDGE_CELLS: readonly EdgeCell[] = [
  {
    id: "none",
    title: "edge without any telemetry",
    script: "withoutTelemetry",
    settings: () => ({ ACCESS_LOG: "false" }),
  },
  edge("off", "off: counted, sent nowhere", undefined, false),
  edge("metrics", "metrics sent, traces 0 %", 0, false),
  edge("traces_10", "metrics, traces 10 %", 0.1, false),
  edge("traces_100", "metrics, traces 100 %", 1, false),
  edge("log", "access log alone", undefined, true),
  edge("on", "on: all, traces 10 %", 0.1, true),
  edge("on_100", "all, traces 100 %", 1, true),
];

/** The line is as long as an access line. */
export const PACKAGE_CELLS: readonly EdgeCell[] = [
  { id: "bare", title: "bare pass-through", script: "bare", settings: () => ({}) },
  {
    id: "bare_line",
    title: "bare, one console.log of 400 characters",
    script: "bareWithLine",
    settings: () => ({}),
  },
  instrumented("package_0", "otel-cf-workers, ratio 0", 0),
  instrumented("package_10", "otel-cf-workers, ratio 0.1", 0.1),
  instrumented("package_100", "otel-cf-workers, ratio 1", 1),
];
