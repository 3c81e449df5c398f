/** Converts a dashboard to Grafana's JSON (classic schema 42: Grafana 12.2 and later). */
import type { Dashboard, Panel, Query } from "./panel.ts";

const SCHEMA_VERSION = 42;
const COLUMNS = 24;
const HEIGHTS = { stat: 5, lines: 8, stack: 8 } as const;
const RUNBOOK = "https://github.com/OWNER/breakwater/blob/main/docs/runbook.md";

/** Grafana replaces it, in a link only if it is not encoded. */
const variable = (name: string): string => `\${${name}}`;

const encodedAroundVariables = (text: string): string =>
  encodeURIComponent(text).replace(/%24%7B\w+(?:%3A\w+)?%7D/g, decodeURIComponent);

/** Explore, with the lines of the selected jobs. */
const logsUrl = (): string => {
  const uid = variable("logs");
  const expr = `{service_name=~"${variable("job:pipe")}"}`;
  const pane = {
    datasource: uid,
    queries: [{ refId: "A", datasource: { type: "loki", uid }, expr }],
    range: { from: variable("__from"), to: variable("__to") },
  };
  return `/explore?schemaVersion=1&panes=${encodedAroundVariables(JSON.stringify({ logs: pane }))}`;
};

const DATASOURCE = { type: "prometheus", uid: "$datasource" } as const;

const shapeOf = ({ shape = "lines" }: Panel) => shape;
const widthOf = (panel: Panel): number => panel.width ?? (shapeOf(panel) === "stat" ? 6 : 8);

const target = ({ expr, legend }: Query, index: number, shape: Panel["shape"]) => ({
  datasource: DATASOURCE,
  editorMode: "code",
  expr,
  instant: shape === "stat",
  legendFormat: legend,
  range: shape !== "stat",
  refId: String.fromCharCode("A".charCodeAt(0) + index),
});

const thresholdsOf = ({ thresholds }: Panel) => {
  if (thresholds === undefined) return { mode: "absolute", steps: [{ color: "green", value: null }] };
  const { yellow, red } = thresholds;
  const steps =
    yellow < red
      ? [
          { color: "green", value: null },
          { color: "yellow", value: yellow },
          { color: "red", value: red },
        ]
      : [
          { color: "red", value: null },
          { color: "yellow", value: red },
          { color: "green", value: yellow },
        ];
  return { mode: "absolute", steps };
};

const timeSeries = (panel: Panel) => ({
  type: "timeseries",
  fieldConfig: {
    defaults: {
      color: { mode: "palette-classic" },
      custom: {
        drawStyle: "line",
        fillOpacity: panel.shape === "stack" ? 30 : 5,
        lineWidth: 1,
        showPoints: "never",
        spanNulls: false,
        stacking: { group: "A", mode: panel.shape === "stack" ? "normal" : "none" },
        thresholdsStyle: { mode: panel.thresholds === undefined ? "off" : "dashed" },
      },
      min: 0,
      thresholds: thresholdsOf(panel),
      unit: panel.unit,
    },
    overrides: [],
  },
  options: {
    legend: { calcs: ["lastNotNull", "max"], displayMode: "table", placement: "bottom", showLegend: true },
    tooltip: { mode: "multi", sort: "desc" },
  },
});

const stat = (panel: Panel) => ({
  type: "stat",
  fieldConfig: {
    defaults: { color: { mode: "thresholds" }, thresholds: thresholdsOf(panel), unit: panel.unit },
    overrides: [],
  },
  options: {
    colorMode: "value",
    graphMode: "none",
    justifyMode: "auto",
    orientation: "auto",
    reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
    textMode: "auto",
  },
});

/** Places panels from left to right, and wraps at the last column. */
const layOut = ({ rows }: Dashboard): unknown[] => {
  let id = 0;
  let y = 0;
  return rows.flatMap(({ title, panels }) => {
    id += 1;
    const head = {
      collapsed: false,
      gridPos: { h: 1, w: COLUMNS, x: 0, y },
      id,
      panels: [],
      title,
      type: "row",
    };
    y += 1;
    let x = 0;
    let height = 0;
    const body = panels.map((panel) => {
      const w = widthOf(panel);
      const h = HEIGHTS[shapeOf(panel)];
      if (x + w > COLUMNS) {
        y += height;
        x = 0;
        height = 0;
      }
      id += 1;
      const gridPos = { h, w, x, y };
      x += w;
      height = Math.max(height, h);
      return {
        datasource: DATASOURCE,
        description: panel.description,
        gridPos,
        id,
        targets: panel.queries.map((query, index) => target(query, index, panel.shape)),
        title: panel.title,
        ...(panel.shape === "stat" ? stat(panel) : timeSeries(panel)),
      };
    });
    y += height;
    return [head, ...body];
  });
};

const ALL = { selected: true, text: ["All"], value: ["$__all"] };

const datasourceVariable = (name: string, label: string, type: string) => ({
  current: {},
  includeAll: false,
  label,
  multi: false,
  name,
  query: type,
  refresh: 1,
  type: "datasource",
});

const labelVariable = (name: string, label: string, values: string, more: object) => ({
  current: ALL,
  datasource: DATASOURCE,
  definition: values,
  includeAll: true,
  label,
  multi: true,
  name,
  query: { qryType: 1, query: values, refId: `${name}-values` },
  // Also when the time range changes, because jobs come and go.
  refresh: 2,
  sort: 1,
  type: "query",
  ...more,
});

export const toGrafana = (dashboard: Dashboard) => ({
  annotations: {
    list: [
      {
        builtIn: 1,
        datasource: { type: "grafana", uid: "-- Grafana --" },
        enable: true,
        hide: true,
        iconColor: "rgba(0, 211, 255, 1)",
        name: "Annotations & Alerts",
        type: "dashboard",
      },
    ],
  },
  description: dashboard.description,
  editable: false,
  fiscalYearStartMonth: 0,
  graphTooltip: 1,
  links: [
    {
      icon: "doc",
      targetBlank: true,
      title: "Runbook",
      tooltip: "What each alert means, and how to fix it",
      type: "link",
      url: RUNBOOK,
    },
    {
      icon: "external link",
      targetBlank: true,
      title: "Logs",
      tooltip: "The lines of the selected jobs, in Loki",
      type: "link",
      url: logsUrl(),
    },
    {
      asDropdown: false,
      includeVars: true,
      keepTime: true,
      tags: ["breakwater"],
      title: "",
      type: "dashboards",
    },
  ],
  panels: layOut(dashboard),
  preload: false,
  refresh: "30s",
  schemaVersion: SCHEMA_VERSION,
  tags: ["breakwater"],
  templating: {
    list: [
      datasourceVariable("datasource", "Prometheus", "prometheus"),
      datasourceVariable("logs", "Loki", "loki"),
      labelVariable("job", "Job", `label_values(${dashboard.jobMetric}, job)`, {}),
      // "All" includes series without a namespace, as in compose.
      labelVariable("namespace", "Namespace", 'label_values(up{namespace!=""}, namespace)', {
        allValue: ".*",
      }),
    ],
  },
  time: { from: "now-3h", to: "now" },
  timepicker: {},
  timezone: "browser",
  title: dashboard.title,
  uid: dashboard.uid,
  version: 1,
});
