/** The rules of container/rules/, and their tests. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";

export const rulesFolder = join(projectFolder, "container/rules");
export const ruleTestsFolder = join(import.meta.dirname, "rules");

const alert = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(["page", "ticket", "none"]) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
});
const record = z.strictObject({ record: z.string(), expr: z.string() });
const ruleFile = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      interval: z.string().optional(),
      rules: z.array(z.union([alert, record])),
    }),
  ),
});

export type Alert = z.infer<typeof alert>;
export type RecordingRule = z.infer<typeof record>;

const testFile = z.object({
  rule_files: z.array(z.string()),
  tests: z.array(
    z.object({
      name: z.string(),
      promql_expr_test: z.array(
        z.strictObject({ eval_time: z.string(), expr: z.string(), exp_samples: z.array(z.unknown()) }),
      ),
    }),
  ),
});

const yamlFilesOf = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => join(folder, name));

export const ruleFiles = yamlFilesOf(rulesFolder);
export const ruleTestFiles = yamlFilesOf(ruleTestsFolder);

const groups = ruleFiles.flatMap((path) => ruleFile.parse(parse(readFileSync(path, "utf8"))).groups);
const rules = groups.flatMap((group) => group.rules);

export const groupNames = groups.map(({ name }) => name);
export const alerts = rules.filter((rule): rule is Alert => "alert" in rule);
export const recordingRules = rules.filter((rule): rule is RecordingRule => "record" in rule);

/** The expressions in the tests of the rules, with the number of expected samples. */
export const testedExpressions = ruleTestFiles.flatMap((path) =>
  testFile
    .parse(parse(readFileSync(path, "utf8")))
    .tests.flatMap(({ promql_expr_test }) =>
      promql_expr_test.map(({ expr, exp_samples }) => ({ expr, samples: exp_samples.length })),
    ),
);
