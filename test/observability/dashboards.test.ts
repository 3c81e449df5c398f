/** The dashboards are up to date, fit Grafana, and query existing series. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
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

test("the generated files are up to date: `npm run observability`", async () => {
  // By URL, because it is another project of the compiler.
  const { href } = pathToFileURL(join(projectFolder, "container/observability/generated.ts"));
  const source = z.object({
    generatedFiles: z.custom<() => unknown>((value) => typeof value === "function"),
  });
  const files = z.record(z.string(), z.string()).parse(source.parse(await import(href)).generatedFiles());
  for (const [path, text] of Object.entries(files)) {
    const written = readFileSync(join(projectFolder, path), "utf8");
    // The formatter changes JSON.
    if (path.endsWith(".json")) expect([path, JSON.parse(written)]).toEqual([path, JSON.parse(text)]);
    else expect([path, written]).toEqual([path, text]);
  }
  const inFolders = Object.keys(files).filter((path) => !path.endsWith("/alertmanager-config.yaml"));
  const folders = new Set(inFolders.map((path) => dirname(path)));
  const written = [...folders].flatMap((folder) =>
    readdirSync(join(projectFolder, folder))
      .filter((name) => name !== "kustomization.yaml")
      .map((name) => `${folder}/${name}`),
  );
  expect(written.sort()).toEqual(inFolders.sort());
});

describe("the dashboards", () => {
  test("are five, with unique ids and titles", () => {
    expect(dashboards.map(({ uid }) => uid).sort()).toEqual(
      ["overview", "edge", "origin", "dependencies", "security"].map((name) => `breakwater-${name}`).sort(),
    );
    expect(new Set(dashboards.map(({ title }) => title)).size).toBe(dashboards.length);
    for (const { name, uid } of dashboards) expect(name).toBe(`${uid}.json`);
  });

  test.for(dashboards)("$name has panels with unique ids and titles, without overlap", ({ panels }) => {
    for (const key of ["id", "title"] as const)
      expect(new Set(panels.map((panel) => panel[key])).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  test("describe each panel, and use the selected datasource", () => {
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

  test("use known metrics and labels", () => {
    expect(expressions.length).toBeGreaterThan(60);
    expect(expressions.flatMap(faultsOfNames)).toEqual([]);
  });

  test("find origins outside of Kubernetes with the default selection", () => {
    for (const { templating } of dashboards) {
      const namespace = templating.list.find(({ name }) => name === "namespace");
      // A missing label matches `.*`.
      expect(namespace).toMatchObject({ includeAll: true, allValue: ".*", current: { value: ["$__all"] } });
      expect(templating.list.find(({ name }) => name === "job")).toMatchObject({
        includeAll: true,
        current: { value: ["$__all"] },
      });
    }
    for (const expr of expressions) expect(expr).not.toMatch(/\{[^}]*pod=/);
  });

  test("lead to the logs of the selected jobs and time, in the selected Loki", () => {
    const pane = z.object({
      datasource: z.string(),
      queries: z.array(z.object({ expr: z.string(), datasource: z.object({ uid: z.string() }) })),
      range: z.object({ from: z.string(), to: z.string() }),
    });
    for (const { links, templating } of dashboards) {
      const url = links.find(({ title }) => title === "Logs")?.url ?? "";
      // As Grafana does first.
      const values: Readonly<Record<string, string>> = {
        "job:pipe": "a|b",
        logs: "uid",
        __from: "1",
        __to: "2",
      };
      const filled = url.replace(/\$\{([\w:]+)\}/g, (_, name) => values[name] ?? "");
      const { pathname, searchParams } = new URL(filled, "http://grafana:3000");
      expect(pathname).toBe("/explore");
      const panes = z.record(z.string(), pane).parse(JSON.parse(searchParams.get("panes") ?? ""));
      expect(Object.values(panes)).toEqual([
        {
          datasource: "uid",
          queries: [{ expr: '{service_name=~"a|b"}', datasource: { uid: "uid" } }],
          range: { from: "1", to: "2" },
        },
      ]);
      expect(templating.list).toContainEqual(expect.objectContaining({ name: "logs", query: "loki" }));
    }
  });

  test.skipIf(!hasPromtool && !isPromtoolRequired)("have valid expressions", () => {
    expect(expressionFaults(expressions)).toBeUndefined();
    expect(expressionFaults(["sum by (job (up)"])).toContain("parse error");
  });
});

describe.skipIf(!hasPromtool && !isPromtoolRequired)("every panel finds series of both tiers", () => {
  const recorded = [join(rulesFolder, "recorded.yaml")];
  const panelExpressions = allPanels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

  test("in compose, without namespaces and pods", () => {
    expect(findingFaults(panelExpressions, syntheticSeries(COMPOSE), recorded)).toBeUndefined();
  });

  test("on Kubernetes, as do the variables", () => {
    expect(findingFaults(expressions, syntheticSeries(KUBERNETES), recorded)).toBeUndefined();
    expect(findingFaults(['overload_limit{job="another"}'], syntheticSeries(KUBERNETES), recorded)).toContain(
      "FAILED",
    );
  });
});

test.skipIf(!hasPromtool && !isPromtoolRequired)(
  "a share is 0, and has data, if nothing of its kind happened",
  () => {
    const shares = expressions.filter((expr) => / \/ (on \(.*?\) )?sum/.test(expr));
    expect(shares.length).toBeGreaterThan(3);
    const happened = /mode="(local|open|closed)"|cause="(hedge|retry)"|outcome="(hit|stale)"|status_code="5/;
    const series = syntheticSeries(COMPOSE).filter((each) => !happened.test(each.series));
    expect(findingFaults(shares, series, [])).toBeUndefined();
  },
);

test("compose provides them to Grafana, which starts with the overview", () => {
  const { grafana } = readCompose().services;
  const [mount = ""] = grafana?.volumes.filter((volume) => volume.includes("/dashboards:")) ?? [];
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
