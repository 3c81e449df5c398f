/** Prometheus' promtool, if it is installed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { isToolRequired } from "../support/required-tools.ts";
import type { InputSeries } from "./synthetic-series.ts";

export const hasPromtool = spawnSync("which", ["promtool"]).status === 0;
export const isPromtoolRequired = isToolRequired("promtool");

/** @returns its output if it fails, otherwise undefined */
export const promtool = (...args: readonly string[]): string | undefined => {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, {
    encoding: "utf8",
    timeout: 120_000,
  });
  if (error !== undefined) throw error;
  return status === 0 ? undefined : `${stdout}${stderr}`;
};

/** Grafana's values. */
const VARIABLES: Readonly<Record<string, string>> = {
  $__rate_interval: "1m",
  $__range: "3h",
  $job: "web-api|breakwater-edge",
  $namespace: ".*",
};

/** @throws Error if it has another variable */
const filledIn = (expr: string): string => {
  const filled = Object.entries(VARIABLES).reduce(
    (text, [name, value]) => text.replaceAll(name, value),
    expr,
  );
  if (filled.includes("$")) throw new Error(`an unknown variable: ${expr}`);
  return filled;
};

const withFile = (name: string, content: unknown, use: (path: string) => string | undefined) => {
  const folder = mkdtempSync(join(tmpdir(), "promtool-"));
  try {
    const path = join(folder, name);
    writeFileSync(path, stringify(content));
    return use(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Checks the syntax, as recording rules, because promtool checks no bare expressions. @returns promtool's errors */
export const expressionFaults = (exprs: readonly string[]): string | undefined => {
  const rules = exprs.map((expr, at) => ({ record: `tried:expression:${at}`, expr: filledIn(expr) }));
  return withFile("rules.yaml", { groups: [{ name: "tried", rules }] }, (path) =>
    promtool("check", "rules", path),
  );
};

/**
 * Checks that each expression finds series.
 *
 * @param series a sample every 15 seconds, for twenty minutes
 * @param ruleFiles add recorded series
 * @returns promtool's errors
 */
export const findingFaults = (
  exprs: readonly string[],
  series: readonly InputSeries[],
  ruleFiles: readonly string[],
): string | undefined => {
  const cases = exprs.map((expr) => ({
    eval_time: "15m",
    expr: `count(${filledIn(expr)}) > bool 0`,
    exp_samples: [{ labels: "{}", value: 1 }],
  }));
  const tests = [{ interval: "15s", input_series: series, promql_expr_test: cases }];
  return withFile("test.yaml", { rule_files: ruleFiles, evaluation_interval: "30s", tests }, (path) =>
    promtool("test", "rules", path),
  );
};
