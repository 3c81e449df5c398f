/** docs/runbook.md has a section for each alert, which links to it, and valid queries. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFolder } from "../../src/local/state-dir.ts";
import { dashboardFiles, readDashboard } from "./dashboard-files.ts";
import { faultsOfNames } from "./names.ts";
import { expressionFaults, hasPromtool, isPromtoolRequired } from "./promtool.ts";
import { alerts } from "./rule-files.ts";

const text = readFileSync(join(projectFolder, "docs/runbook.md"), "utf8");

/** OWNER is a placeholder for the repository's owner. */
const ADDRESS = "https://github.com/OWNER/breakwater/blob/main/docs/runbook.md";

const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section] as const),
);
const names = [...new Set(alerts.map(({ alert }) => alert))];
const queries = [...text.matchAll(/^```promql\n(.*?)\n```$/gms)].map(([, query = ""]) => query);

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

test("every alert has a section, and every section an alert", () => {
  expect([...sections.keys()].filter((heading) => heading !== "Where to look").sort()).toEqual(
    [...names].sort(),
  );
});

test.for(names)("the rule of %s links to its section, with its severity and a fix", (name) => {
  const own = alerts.filter(({ alert }) => alert === name);
  for (const { annotations, labels } of own) {
    expect(annotations.runbook_url).toBe(`${ADDRESS}#${anchorOf(name)}`);
    expect(sections.get(name)?.split("\n")[2]).toMatch(new RegExp(`^[^.]*\\b${labels.severity}\\b`));
  }
  expect(sections.get(name)).toMatch(/\*\*First look\.\*\*[\s\S]+\*\*Fix\.\*\* \S/);
});

test("sections of pages precede those of tickets", () => {
  const order = [...sections.keys()].filter((heading) => names.includes(heading));
  const pages = order.map((name) =>
    alerts.some(({ alert, labels }) => alert === name && labels.severity === "page"),
  );
  expect(pages.lastIndexOf(true)).toBeLessThan(pages.indexOf(false));
});

test("every internal link has its target", () => {
  const anchors = [...sections.keys()].map(anchorOf);
  const inside = [...text.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor = ""]) => anchor);
  expect(inside.length).toBeGreaterThan(10);
  expect(inside.filter((anchor) => !anchors.includes(anchor))).toEqual([]);
});

test("the dashboards link to it", () => {
  for (const name of dashboardFiles) {
    expect(readDashboard(name).links.map(({ url }) => url)).toContain(ADDRESS);
  }
});

describe("its queries", () => {
  test("use known metrics and labels", () => {
    expect(queries.length).toBeGreaterThan(20);
    expect(queries.flatMap(faultsOfNames)).toEqual([]);
  });

  test.skipIf(!hasPromtool && !isPromtoolRequired)("are PromQL", () => {
    expect(expressionFaults(queries)).toBeUndefined();
  });
});
