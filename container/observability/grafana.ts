/** A dashboard in Grafana's form (the classic one, schema 42: Grafana 12.2 and later). */
import type { Dashboard, Panel, Query } from "./panel.ts";

const SCHEMA_VERSION = 42;
const COLUMNS = 24;
const HEIGHTS = { number: 5, curve: 8, stack: 8 } as const;
const RUNBOOK = "https://github.com/OWNER/breakwater/blob/main/docs/runbook.md";

const DATASOURCE = { type: "prometheus", uid: "$datasource" } as const;

const shapeOf = ({ shape = "curve" }: Panel) => shape;
const widthOf = (panel: Panel): number => panel.width ?? (shapeOf(panel) === "number" ? 6 : 8);

const target = ({ expr, legend }: Query, at: number, shape: Panel["shape"]) => ({
  datasource: DATASOURCE,
  editorMode: "code",
  expr,
  instant: shape === "number",
  legendFormat: legend,
  range: shape !== "number",
  refId: String.fromCharCode("A".charCodeAt(0) + at),
});

const thresholdsOf = ({ alarm }: Panel) => {
  if (alarm === undefined) return { mode: "absolute", steps: [{ color: "green", value: null }] };
  const { yellow, red } = alarm;
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

const curve = (panel: Panel) => ({
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
        thresholdsStyle: { mode: panel.alarm === undefined ? "off" : "dashed" },
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

const number = (panel: Panel) => ({
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

/** From left to right, and on the next line where there is no room. */
const placed = ({ rows }: Dashboard): unknown[] => {
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
      const place = { h, w, x, y };
      x += w;
      height = Math.max(height, h);
      return {
        datasource: DATASOURCE,
        description: panel.description,
        gridPos: place,
        id,
        targets: panel.queries.map((each, at) => target(each, at, panel.shape)),
        title: panel.title,
        ...(panel.shape === "number" ? number(panel) : curve(panel)),
      };
    });
    y += height;
    return [head, ...body];
  });
};

const ALL = { selected: true, text: ["All"], value: ["$__all"] };

const labelVariable = (name: string, label: string, values: string, more: object) => ({
  current: ALL,
  datasource: DATASOURCE,
  definition: values,
  includeAll: true,
  label,
  multi: true,
  name,
  query: { qryType: 1, query: values, refId: `${name}-values` },
  // When the time range changes too: jobs come and go.
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
      tooltip: "What each alert means",
      type: "link",
      url: RUNBOOK,
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
  panels: placed(dashboard),
  preload: false,
  refresh: "30s",
  schemaVersion: SCHEMA_VERSION,
  tags: ["breakwater"],
  templating: {
    list: [
      {
        current: {},
        includeAll: false,
        label: "Prometheus",
        multi: false,
        name: "datasource",
        query: "prometheus",
        refresh: 1,
        type: "datasource",
      },
      labelVariable("job", "Job", `label_values(${dashboard.jobsOf}, job)`, {}),
      // Of everything, also of what has no namespace, as in compose.
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
