import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { dashboardFiles, dashboardsFolder } from "../observability/dashboard-files.ts";

test("the component provides the dashboards, as ConfigMaps with the label of Grafana's sidecar", () => {
  const text = readFileSync(join(dashboardsFolder, "kustomization.yaml"), "utf8");
  const { configMapGenerator, generatorOptions } = z
    .object({
      configMapGenerator: z.array(z.object({ name: z.string(), files: z.array(z.string()) })),
      generatorOptions: z.object({ labels: z.record(z.string(), z.string()) }),
    })
    .parse(parse(text));
  expect(configMapGenerator.flatMap(({ files }) => files).sort()).toEqual([...dashboardFiles].sort());
  expect(generatorOptions.labels["grafana_dashboard"]).toBe("1");
});
