/** Judges of what the repository itself shows: manifests, rules, workflows and documents. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { parse } from "yaml";
import * as z from "zod";
import { contract } from "../../src/contract/contract.ts";
import { timeoutMs } from "../../src/contract/route.ts";
import { isOnPath } from "../../src/local/child-process.ts";
import { probes } from "../k8s/checks/probes.ts";
import { heap, limits } from "../k8s/checks/resources.ts";
import { disruption, grace, rollout, spread } from "../k8s/checks/rollout.ts";
import { kept, placeholders } from "../k8s/checks/telemetry.ts";
import { collectorsOf } from "../k8s/support/collectors.ts";
import type { Check } from "../k8s/support/manifests.ts";
import { promtool } from "../observability/promtool.ts";
import { type Judge, lineOf, open, passed, readText, unless } from "./item.ts";

const RELEASE = ".github/workflows/release.yml";

export const imageScan: Judge = (repository) => {
  const scan = lineOf(repository, RELEASE, /uses: (anchore\/scan-action|aquasecurity\/trivy-action)@/);
  const cutoff = lineOf(repository, RELEASE, /severity(-cutoff)?: *"?(medium|high|critical)/i);
  if (scan === undefined) return unless([`${RELEASE} publishes an image without scanning it`], open());
  if (cutoff === undefined) return unless([`${scan}: the scan rejects no severity`], open());
  const scanner = ["trivy", "grype"].find(isOnPath);
  return open(
    `${scan} scans, and ${cutoff} rejects, before a release is published`,
    scanner === undefined
      ? "no result here: neither trivy nor grype is on the PATH"
      : `no result here: run \`${scanner} ${scanner === "trivy" ? "image " : ""}IMAGE\``,
  );
};

const byChecks =
  (
    checks: readonly Check[],
    evidence: (count: { pods: number; budgets: number }) => string,
    where: [string, RegExp],
  ): Judge =>
  (repository) => {
    const { manifests, objects } = repository;
    const pods = objects.filter(({ kind }) =>
      /^(Deployment|StatefulSet|DaemonSet|CronJob|Job)$/.test(kind),
    ).length;
    const budgets = objects.filter(({ kind }) => kind === "PodDisruptionBudget").length;
    const faults = checks.flatMap((check) => check(manifests));
    const line = lineOf(repository, ...where);
    if (pods === 0) faults.push("the overlay production renders no workload");
    if (line === undefined) faults.push(`${where[0]} has no ${where[1].source}`);
    return unless(faults, passed(`${evidence({ pods, budgets })} (${line})`));
  };

const DEPLOYMENT = "k8s/base/deployment.yaml";

export const resourceLimits: Judge = byChecks(
  [limits, heap],
  ({ pods }) =>
    `every container of ${pods} workloads has requests and limits, and the heap fits into its limit`,
  [DEPLOYMENT, /limits:/],
);

export const healthChecks: Judge = byChecks(
  [probes, grace],
  ({ pods }) => `${pods} workloads: startup, liveness and readiness probes, and time to end`,
  [DEPLOYMENT, /readinessProbe:/],
);

export const disruptionBudget: Judge = byChecks(
  [disruption, rollout, spread],
  ({ budgets }) => `${budgets} disruption budgets, each lets a node drain and keeps pods`,
  ["k8s/base/pod-disruption-budget.yaml", /maxUnavailable:|minAvailable:/],
);

const ruleFile = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({ alert: z.string().optional(), labels: z.record(z.string(), z.string()).optional() }),
      ),
    }),
  ),
});

/** Without one of these, an outage is silent. */
const MANDATORY = [
  "OriginsMissing",
  "ErrorBudgetBurnFast",
  "CircuitBreakerOpen",
  "AutoscalerAtMaximum",
  "MemoryNearLimit",
  "BackupMissing",
];

const filesIn = (folder: string, suffix: string): string[] => {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(suffix))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
};

export const alertRules: Judge = (repository) => {
  const { folder, runsTests } = repository;
  const files = filesIn(join(folder, "container/rules"), ".yaml");
  const rules = files.flatMap((path) =>
    ruleFile.parse(parse(readFileSync(path, "utf8"))).groups.flatMap((group) => group.rules),
  );
  const alerts = rules.filter(({ alert }) => alert !== undefined);
  const names = new Set(alerts.map(({ alert }) => alert));
  const runbook = readText(repository, "docs/runbook.md") ?? "";
  const faults = [
    ...MANDATORY.filter((name) => !names.has(name)).map((name) => `there is no alert ${name}`),
    ...alerts
      .filter(({ labels }) => labels?.["severity"] === undefined)
      .map(({ alert }) => `${alert} has no severity`),
    ...alerts
      .filter(({ alert }) => !runbook.includes(`\n## ${alert}\n`))
      .map(({ alert }) => `docs/runbook.md has no section ${alert}`),
  ];
  const complete = `${alerts.length} alerts, each with severity and runbook`;
  if (faults.length > 0) return unless(faults, open());
  if (!isOnPath("promtool")) return open(`${complete}; promtool is not on the PATH`);
  const invalid = promtool("check", "rules", ...files);
  if (invalid !== undefined) return unless([invalid], open());
  if (!runsTests) return open(`${complete}; their tests were not run (--no-tests)`);
  const tests = filesIn(join(folder, "test/observability/rules"), ".test.yaml");
  const failure = promtool("test", "rules", ...tests);
  return unless(
    failure === undefined ? [] : [failure],
    passed(`${complete}; promtool: ${tests.length} files of tests succeed`),
  );
};

export const logCollection: Judge = ({ manifests, objects }) => {
  const node = objects.find(({ kind }) => kind === "DaemonSet");
  const logs = collectorsOf(manifests)
    .flatMap(({ destinations }) => destinations)
    .filter(({ pipeline }) => pipeline.startsWith("logs"));
  const faults = [
    ...(node === undefined
      ? ["the overlay production has no collector on each node that reads the pods' logs"]
      : []),
    ...(logs.length === 0 ? ["no collector of the overlay production has a pipeline for logs"] : []),
    ...kept(manifests),
    ...placeholders(manifests),
  ];
  const ways = [...new Set(logs.map(({ exporter, endpoint }) => `${exporter} to ${endpoint}`))].join(", ");
  return unless(
    faults,
    passed(`DaemonSet ${node?.metadata.name} reads every pod's log; exported by ${ways}`),
  );
};

const wrangler = z.object({
  env: z.object({ production: z.object({ vars: z.record(z.string(), z.unknown()) }) }),
});
const DEFAULT_SHARE = 0.1;
const TAIL = "k8s/components/otel-collector/tail-sampling.yaml";

export const traceSampling: Judge = (repository) => {
  const { vars } = wrangler.parse(parseToml(readText(repository, "wrangler.toml") ?? "")).env.production;
  const edge = Number(vars["OTEL_TRACES_SAMPLER_ARG"] ?? DEFAULT_SHARE);
  const shares = repository.objects.flatMap((object) => {
    const { data } =
      z.object({ data: z.object({ OTEL_TRACES_SAMPLER_ARG: z.string() }) }).safeParse(object).data ?? {};
    return data === undefined ? [] : [Number(data.OTEL_TRACES_SAMPLER_ARG)];
  });
  const waitS = Number(/decision_wait: *(\d+)s/.exec(readText(repository, TAIL) ?? "")?.[1]);
  const longestS = Math.max(...Object.values(contract).map(timeoutMs)) / 1_000;
  const faults = [
    ...(shares.length === 0 ? ["no ConfigMap of the overlay production sets OTEL_TRACES_SAMPLER_ARG"] : []),
    ...shares
      .filter((share) => share !== edge)
      .map((share) => `the origins keep ${share} of the traces, the edge ${edge} (wrangler.toml)`),
    ...(edge > 0 && edge <= 1 ? [] : [`the edge's share of ${edge} is not above 0 and at most 1`]),
    ...(waitS > longestS
      ? []
      : [`${TAIL}: a decision after ${waitS} s; the longest route takes ${longestS} s`]),
  ];
  return unless(
    faults,
    passed(`edge and origins keep ${edge} of the traces; tail sampling waits ${waitS} s`),
  );
};
