/** The dashboards are what their source writes, fit Grafana, and ask for what there is. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";
import { readCompose, readYaml } from "../container/support/compose.ts";
import { dashboardFiles, dashboardsFolder, expressionsOf, readDashboard } from "./dashboard-files.ts";
import { faultsOfNames } from "./names.ts";
import { expressionFaults, findingFaults, hasPromtool, isPromtoolRequired } from "./promtool.ts";
import { rulesFolder } from "./rule-files.ts";
import { COMPOSE, KUBERNETES, syntheticSeries } from "./synthetic-series.ts";

const dashboards = dashboardFiles.map((name) => ({ name, ...readDashboard(name) }));
const allPanels = dashboards.flatMap(({ panels }) => panels);
const expressions = dashboards.flatMap(expressionsOf);

test("what is made from container/ is as it would be made now: `npx node container/observability/write.ts`", async () => {
  // By its address, as it is a project of the compiler's own.
  const { href } = pathToFileURL(join(projectFolder, "container/observability/generated.ts"));
  const source = z.object({
    generatedFiles: z.custom<() => unknown>((value) => typeof value === "function"),
  });
  const files = z.record(z.string(), z.string()).parse(source.parse(await import(href)).generatedFiles());
  for (const [path, text] of Object.entries(files)) {
    const there = readFileSync(join(projectFolder, path), "utf8");
    // JSON is formatted once more.
    if (path.endsWith(".json")) expect([path, JSON.parse(there)]).toEqual([path, JSON.parse(text)]);
    else expect([path, there]).toEqual([path, text]);
  }
  const written = ["k8s/components/dashboards", "k8s/components/prometheus-operator/rules"].flatMap(
    (folder) =>
      readdirSync(join(projectFolder, folder))
        .filter((name) => name !== "kustomization.yaml")
        .map((name) => `${folder}/${name}`),
  );
  expect(written.sort()).toEqual(Object.keys(files).sort());
});

describe("the operator's copy of a rule file", () => {
  test.for(readdirSync(join(projectFolder, "container/rules")))("%s: has the same groups", (name) => {
    const groupsOf = z.object({ groups: z.array(z.unknown()).min(1) });
    const copy = z
      .object({ kind: z.literal("PrometheusRule"), spec: groupsOf })
      .parse(readYaml(`k8s/components/prometheus-operator/rules/${name}`));
    expect(copy.spec.groups).toEqual(groupsOf.parse(readYaml(`container/rules/${name}`)).groups);
    expect(
      readFileSync(join(projectFolder, "k8s/components/prometheus-operator/kustomization.yaml"), "utf8"),
    ).toContain(`- rules/${name}\n`);
  });
});

describe("the dashboards", () => {
  test("are the five, each with a uid and a title of its own", () => {
    expect(dashboards.map(({ uid }) => uid).sort()).toEqual(
      ["overview", "edge", "origin", "dependencies", "security"].map((name) => `breakwater-${name}`).sort(),
    );
    expect(new Set(dashboards.map(({ title }) => title)).size).toBe(dashboards.length);
    for (const { name, uid } of dashboards) expect(name).toBe(`${uid}.json`);
  });

  test.for(dashboards)("$name: its panels have ids, titles and places of their own", ({ panels }) => {
    for (const key of ["id", "title"] as const)
      expect(new Set(panels.map((panel) => panel[key])).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  test("say in each panel what is drawn, from the chosen datasource", () => {
    const drawn = allPanels.filter(({ type }) => type !== "row");
    expect(drawn.length).toBeGreaterThan(40);
    for (const { title, description, datasource, targets } of drawn) {
      expect([title, description]).toEqual([title, expect.stringMatching(/^[A-Z0-9a-z].{10,}\.$/)]);
      expect([title, datasource]).toEqual([title, { type: "prometheus", uid: "$datasource" }]);
      expect(targets.length).toBeGreaterThan(0);
      const letters = targets.map(({ refId }) => refId);
      expect(new Set(letters).size).toBe(letters.length);
      for (const { legendFormat } of targets) expect([title, legendFormat]).not.toEqual([title, ""]);
    }
  });

  test("name metrics and labels that are known", () => {
    expect(expressions.length).toBeGreaterThan(60);
    expect(expressions.flatMap(faultsOfNames)).toEqual([]);
  });

  test("choose by labels that an origin without Kubernetes has not only where All finds it too", () => {
    for (const { templating } of dashboards) {
      const namespace = templating.list.find(({ name }) => name === "namespace");
      // An empty label matches `.*`, and none of the names that the cluster has.
      expect(namespace).toMatchObject({ includeAll: true, allValue: ".*", current: { value: ["$__all"] } });
      expect(templating.list.find(({ name }) => name === "job")).toMatchObject({
        includeAll: true,
        current: { value: ["$__all"] },
      });
    }
    for (const expr of expressions) expect(expr).not.toMatch(/\{[^}]*pod=/);
  });

  test.skipIf(!hasPromtool && !isPromtoolRequired)("ask in PromQL", () => {
    expect(expressionFaults(expressions)).toBeUndefined();
    expect(expressionFaults(["sum by (job (up)"])).toContain("parse error");
  });
});

describe.skipIf(!hasPromtool && !isPromtoolRequired)(
  "on series of both tiers, every panel finds something",
  () => {
    const recorded = [join(rulesFolder, "recorded.yaml")];
    const panelExpressions = allPanels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

    test("in compose, where there are no namespaces and pods", () => {
      expect(findingFaults(panelExpressions, syntheticSeries(COMPOSE), recorded)).toBeUndefined();
    });

    test("on Kubernetes, where the variables find something too", () => {
      expect(findingFaults(expressions, syntheticSeries(KUBERNETES), recorded)).toBeUndefined();
      expect(
        findingFaults(['overload_limit{job="another"}'], syntheticSeries(KUBERNETES), recorded),
      ).toContain("FAILED");
    });
  },
);

describe("who shows them", () => {
  test("the component has each as a ConfigMap with the label that Grafana's sidecar looks for", () => {
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

  test("compose's Grafana reads them where they are mounted, and begins with the overview", () => {
    const { grafana } = readCompose().services;
    const [mount = ""] =
      grafana?.volumes.filter((volume) => volume.includes("/components/dashboards:")) ?? [];
    const [source = "", target = ""] = mount.split(":");
    expect(join(projectFolder, "container", source)).toBe(dashboardsFolder);
    const { providers } = z
      .object({
        providers: z.array(z.object({ type: z.literal("file"), options: z.object({ path: z.string() }) })),
      })
      .parse(readYaml("container/grafana/dashboards.yaml"));
    expect(providers.map(({ options }) => options.path)).toEqual([target]);
    expect(grafana?.environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).toBe(
      `${target}/breakwater-overview.json`,
    );
  });
});
