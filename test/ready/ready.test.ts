/** Each item of the checklist fails, with the reason, when what it is about is broken in a copy of the repository. */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childEnvironment } from "../../src/local/environment.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { hasKubectl, isRequired } from "../k8s/support/render.ts";
import { judgeItems, readRepository } from "./checklist.ts";
import type { Item } from "./item.ts";
import { addCluster } from "./live.ts";

const COPIED = ["k8s", "container", "docs", ".github", "wrangler.toml", "test/observability/rules"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ready-"));
  for (const path of COPIED) cpSync(join(projectFolder, path), join(folder, path), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const judge = async (number: number): Promise<Item | undefined> =>
  (await judgeItems(readRepository(folder, false), number))[0];

/** Judges an item while a file of the copy is another. */
const judgeBroken = async (
  number: number,
  path: string,
  change: (text: string) => string,
): Promise<Item | undefined> => {
  const whole = readFileSync(join(folder, path), "utf8");
  const broken = change(whole);
  expect(broken).not.toBe(whole);
  writeFileSync(join(folder, path), broken);
  try {
    return await judge(number);
  } finally {
    writeFileSync(join(folder, path), whole);
  }
};

const BREAKAGES: readonly (readonly [number, string, string, (text: string) => string, string])[] = [
  [
    1,
    "no scan before a release",
    ".github/workflows/release.yml",
    (text) => text.replace("anchore/scan-action", "anchore/other-action"),
    "without scanning",
  ],
  [
    2,
    "a container without a memory limit",
    "k8s/base/deployment.yaml",
    (text) => text.replace(/(limits:[\s\S]*?)\n +memory: 512Mi/, "$1"),
    "memory",
  ],
  [
    3,
    "no readiness probe",
    "k8s/base/deployment.yaml",
    (text) => text.replace("readinessProbe:", "livenessProbe2:"),
    "readinessProbe",
  ],
  [
    4,
    "a target that is never reached",
    "k8s/base/horizontal-pod-autoscaler.yaml",
    (text) => text.replace("averageUtilization: 70", "averageUtilization: 700"),
    "overloads the pods",
  ],
  [
    5,
    "a budget that lets no node drain",
    "k8s/base/pod-disruption-budget.yaml",
    (text) => text.replace("maxUnavailable: 1", "maxUnavailable: 0"),
    "web-api",
  ],
  [
    6,
    "an outage without an alert",
    "container/rules/telemetry.yaml",
    (text) => text.replace("alert: OriginsMissing", "alert: Origins"),
    "there is no alert OriginsMissing",
  ],
  [
    7,
    "logs that end in an exporter for debugging",
    "k8s/components/otel-collector/collector.yaml",
    (text) =>
      text
        .replaceAll("exporters: [otlp_http]", "exporters: [debug]")
        .replace("\nexporters:", "\nexporters:\n  debug: {}"),
    "are lost",
  ],
  [
    8,
    "another share of traces at the origins",
    "k8s/base/kustomization.yaml",
    (text) => text.replace("OTEL_TRACES_SAMPLER_ARG=0.1", "OTEL_TRACES_SAMPLER_ARG=0.5"),
    "the origins keep 0.5",
  ],
  [
    10,
    "no backups in production",
    "k8s/overlays/production/kustomization.yaml",
    (text) => text.replace("  - ../../components/backup\n", ""),
    "no CronJob web-api-backup",
  ],
  [
    10,
    "a plan without a loss that has to be expected",
    "docs/disaster-recovery.md",
    (text) => text.replaceAll(/^\| (?=Redis)/gm, "| Another store, not "),
    "has no recovery of Redis",
  ],
  [
    10,
    "a Secret that no plan brings back",
    "docs/disaster-recovery.md",
    (text) => text.replaceAll("`signing-keys`", "`keys`"),
    "does not say where the Secret signing-keys is kept",
  ],
  [
    10,
    "backups whose failure is silent",
    "container/rules/kubernetes.yaml",
    (text) => text.replace("alert: BackupMissing", "alert: Backup"),
    "there is no alert BackupMissing",
  ],
];

describe.skipIf(!hasKubectl && !isRequired)("the checklist", { timeout: 120_000 }, () => {
  test("has ten items, each with its evidence", async () => {
    const items = await judgeItems(readRepository(folder, false));
    expect(items.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const { evidence } of items) expect(evidence.join("")).not.toBe("");
  });

  test.each(BREAKAGES)("item %i fails with %s", async (number, _, path, change, reason) => {
    const item = await judgeBroken(number, path, change);
    expect(item).toMatchObject({ number, verdict: "failed" });
    expect(item?.evidence.join("\n")).toContain(reason);
  });

  test("prints JSON, and exits with 2 for an unknown option", async () => {
    const run = (...args: string[]) =>
      promisify(execFile)(process.execPath, ["test/ready/main.ts", ...args], {
        cwd: projectFolder,
        env: childEnvironment(),
      });
    const { stdout } = await run("--json", "--no-tests").catch((error: { stdout: string }) => error);
    expect(JSON.parse(stdout)).toMatchObject({ items: expect.arrayContaining([expect.anything()]) });
    await expect(run("--nonsense")).rejects.toMatchObject({ code: 2 });
  });
});

describe("a cluster", () => {
  const passedItems = [2, 3, 4, 5].map(
    (number): Item => ({ number, title: "", verdict: "passed", evidence: [] }),
  );
  const healthy: Record<string, readonly object[]> = {
    pods: [
      {
        metadata: { name: "web-api-1" },
        spec: { containers: [{ name: "web-api", resources: { limits: { memory: "512Mi" } } }] },
        status: { containerStatuses: [{ ready: true, restartCount: 0 }] },
      },
    ],
    horizontalpodautoscalers: [
      {
        metadata: { name: "web-api" },
        spec: { maxReplicas: 20 },
        status: {
          currentReplicas: 3,
          conditions: [
            { type: "ScalingActive", status: "True" },
            { type: "AbleToScale", status: "True" },
          ],
        },
      },
    ],
    poddisruptionbudgets: [{ metadata: { name: "web-api" }, status: { disruptionsAllowed: 1 } }],
  };
  const judgeCluster = (changed: Record<string, readonly object[]>) =>
    addCluster(passedItems, async (kind) => ({ ...healthy, ...changed })[kind] ?? [], "here");

  test("that is healthy changes no verdict, and adds its evidence", async () => {
    for (const { verdict, evidence } of await judgeCluster({})) {
      expect(verdict).toBe("passed");
      expect(evidence.join()).toMatch(/^here: /);
    }
  });

  test.each([
    [
      2,
      "pods",
      [{ metadata: { name: "a" }, spec: { containers: [{ name: "c" }] }, status: {} }],
      "no memory limit",
    ],
    [
      3,
      "pods",
      [
        {
          metadata: { name: "a" },
          spec: { containers: [] },
          status: { containerStatuses: [{ ready: false, restartCount: 9 }] },
        },
      ],
      "has restarted 9 times",
    ],
    [
      4,
      "horizontalpodautoscalers",
      [
        {
          metadata: { name: "a" },
          spec: { maxReplicas: 20 },
          status: { conditions: [{ type: "ScalingActive", status: "False", reason: "FailedGetPodsMetric" }] },
        },
      ],
      "ScalingActive is not true (FailedGetPodsMetric)",
    ],
    [
      5,
      "poddisruptionbudgets",
      [{ metadata: { name: "a" }, status: { disruptionsAllowed: 0 } }],
      "no disruption now",
    ],
  ])("fails item %i by its %s", async (number, kind, objects, reason) => {
    const item = (await judgeCluster({ [kind]: objects })).find((each) => each.number === number);
    expect(item?.verdict).toBe("failed");
    expect(item?.evidence.join()).toContain(reason);
  });

  test("that cannot be read leaves its items open", async () => {
    const items = await addCluster(passedItems, () => Promise.reject(new Error("no route to host")), "here");
    expect(items.map(({ verdict }) => verdict)).toEqual(["open", "open", "open", "open"]);
  });
});
