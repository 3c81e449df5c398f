/** The dashboards of k8s/components/dashboards/. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";

export const dashboardsFolder = join(projectFolder, "k8s/components/dashboards");

export const dashboardFiles: readonly string[] = readdirSync(dashboardsFolder).filter((name) =>
  name.endsWith(".json"),
);

const target = z.object({
  expr: z.string(),
  legendFormat: z.string(),
  refId: z.string(),
  datasource: z.unknown().optional(),
});

const panel = z.object({
  id: z.number().int().positive(),
  type: z.enum(["row", "timeseries", "stat"]),
  title: z.string().min(1),
  description: z.string().optional(),
  datasource: z.unknown().optional(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number().positive(), h: z.number().positive() }),
  targets: z.array(target).default([]),
  fieldConfig: z
    .object({
      defaults: z.object({ unit: z.enum(["s", "reqps", "percentunit", "bytes", "short"]) }),
    })
    .optional(),
});

const dashboard = z.object({
  uid: z.string().regex(/^[a-z0-9-]{1,40}$/),
  title: z.string(),
  description: z.string().min(20),
  // The last version of the classic form, of Grafana 12.2 and 13.
  schemaVersion: z.literal(42),
  tags: z.array(z.literal("breakwater")).min(1),
  links: z.array(z.object({ title: z.string(), url: z.string().optional() })).min(1),
  templating: z.object({
    list: z.array(
      z.object({
        name: z.enum(["datasource", "logs", "job", "namespace"]),
        includeAll: z.boolean(),
        allValue: z.string().optional(),
        definition: z.string().optional(),
        query: z.unknown(),
        current: z.object({ value: z.unknown().optional() }),
      }),
    ),
  }),
  panels: z.array(panel),
});

export type DashboardFile = z.infer<typeof dashboard>;

/** @throws Error if it is not JSON, or not in Grafana's form */
export const readDashboard = (name: string): DashboardFile =>
  dashboard.parse(JSON.parse(readFileSync(join(dashboardsFolder, name), "utf8")));

/** The expressions of its panels and variables. */
export const expressionsOf = ({ panels, templating }: DashboardFile): string[] => [
  ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...templating.list.flatMap(
    ({ definition = "" }) => /^label_values\((.*), \w+\)$/.exec(definition)?.[1] ?? [],
  ),
];
