/** Alertmanager sends each alert to the right receiver, and mutes those that another one explains. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { type Child, isOnPath, spawnChild } from "../../src/local/child-process.ts";
import { freePort } from "../../src/local/free-port.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { fetchRead } from "../support/fetch.ts";
import { isToolRequired } from "../support/required-tools.ts";
import { alerts } from "./rule-files.ts";

type Labels = Readonly<Record<string, string>>;

const CONFIG = join(projectFolder, "container/alertmanager.yaml");

const hasAmtool = isOnPath("amtool");
const isAmtoolRequired = isToolRequired("amtool");
/** Its name in Debian, and elsewhere. */
const ALERTMANAGER = ["prometheus-alertmanager", "alertmanager"].find(isOnPath);

const amtool = (...args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync("amtool", args, { encoding: "utf8", timeout: 30_000 });
  if (status !== 0) throw new Error(`amtool: ${stdout}${stderr}`);
  return stdout.trim();
};

const receiverOf = (labels: Labels): string =>
  amtool(
    ...["config", "routes", "test", `--config.file=${CONFIG}`],
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  );

describe.skipIf(!hasAmtool && !isAmtoolRequired)("the routes", () => {
  test("are valid", () => {
    expect(amtool("check-config", CONFIG)).toContain("SUCCESS");
  });

  test("have a receiver for every alert, which its severity names", () => {
    for (const { alert, labels } of alerts) {
      const expected = labels.severity === "none" ? "heartbeat" : labels.severity;
      expect([alert, receiverOf({ alertname: alert, severity: labels.severity })]).toEqual([alert, expected]);
    }
  });

  test.for([
    [{ alertname: "OriginsMissing", severity: "page", namespace: "breakwater-production" }, "page"],
    [{ alertname: "OriginsMissing", severity: "page", namespace: "breakwater-staging" }, "ticket"],
    [{ alertname: "OriginsMissing", severity: "page", namespace: "breakwater-dev" }, "ticket"],
    [{ alertname: "OriginsMissing", severity: "page", namespace: "staging-area" }, "page"],
    [{ alertname: "PodsNotReady", severity: "ticket", namespace: "breakwater-staging" }, "ticket"],
    [{ alertname: "KubePodCrashLooping", severity: "critical", namespace: "another" }, "none"],
  ] as const)("send %o to %s", ([labels, receiver]) => {
    expect(receiverOf(labels)).toBe(receiver);
  });
});

const inhibited = z.array(
  z.object({
    labels: z.record(z.string(), z.string()),
    status: z.object({ inhibitedBy: z.array(z.string()) }),
  }),
);

describe.skipIf(ALERTMANAGER === undefined && !isToolRequired("alertmanager"))("a real Alertmanager", () => {
  let folder: string;
  let child: Child;
  let address: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "breakwater-alertmanager-"));
    address = `127.0.0.1:${await freePort()}`;
    child = spawnChild({
      name: "Alertmanager",
      command: ALERTMANAGER ?? "alertmanager",
      args: [
        ...[`--config.file=${CONFIG}`, `--storage.path=${folder}`, "--cluster.listen-address="],
        `--web.listen-address=${address}`,
      ],
      endsWithParent: "SIGKILL",
    });
    const expectReady = async (): Promise<void> => {
      const { ok } = await fetch(`http://${address}/-/ready`);
      if (!ok) throw new Error("Alertmanager is not ready");
    };
    await vi.waitFor(expectReady, { timeout: 30_000 });
  });
  afterAll(async () => {
    await child?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** @returns the titles of those that are muted */
  const mutedOf = async (firing: readonly Labels[]): Promise<string[]> => {
    const now = Date.now();
    const { status } = await fetch(`http://${address}/api/v2/alerts`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(
        firing.map((labels) => ({ labels, endsAt: new Date(now + 600_000).toISOString() })),
      ),
      signal: AbortSignal.timeout(10_000),
    });
    expect(status).toBe(200);
    const { namespace } = firing[0] ?? {};
    const all = async () => {
      const response = await fetchRead(`http://${address}/api/v2/alerts`);
      return inhibited.parse(await response.json()).filter(({ labels }) => labels["namespace"] === namespace);
    };
    await expect.poll(async () => (await all()).length, { timeout: 10_000 }).toBe(firing.length);
    return (await all())
      .filter(({ status }) => status.inhibitedBy.length > 0)
      .map(({ labels }) => [labels["alertname"], labels["job"] ?? labels["name"]].filter(Boolean).join(" "))
      .sort();
  };

  test.for([
    [
      "pods and targets, if there is no origin",
      [
        { alertname: "OriginsMissing", severity: "page" },
        { alertname: "TargetDown", severity: "ticket" },
        { alertname: "PodsNotReady", severity: "ticket" },
        { alertname: "AutoscalerCannotScale", severity: "ticket" },
      ],
      ["PodsNotReady", "TargetDown"],
    ],
    [
      "the origin's errors and the slower burn rates, if the edge's errors page",
      [
        { alertname: "ErrorBudgetBurnFast", severity: "page", job: "breakwater-edge" },
        { alertname: "ErrorBudgetBurnSlow", severity: "ticket", job: "breakwater-edge" },
        { alertname: "ErrorBudgetBurnSlow", severity: "ticket", job: "web-api" },
        { alertname: "LatencyBudgetBurnSlow", severity: "ticket", job: "web-api" },
      ],
      ["ErrorBudgetBurnSlow breakwater-edge", "ErrorBudgetBurnSlow web-api"],
    ],
    [
      "the slower burn rate of latency, and the origin's latency behind the edge's",
      [
        { alertname: "LatencyBudgetBurnMedium", severity: "page", job: "breakwater-edge" },
        { alertname: "LatencyBudgetBurnSlow", severity: "ticket", job: "breakwater-edge" },
        { alertname: "LatencyBudgetBurnSlow", severity: "ticket", job: "web-api" },
      ],
      ["LatencyBudgetBurnSlow breakwater-edge", "LatencyBudgetBurnSlow web-api"],
    ],
    [
      "the ticket of the certificate that pages, not another's",
      [
        { alertname: "CertificateExpiring", severity: "page", name: "a" },
        { alertname: "CertificateExpiring", severity: "ticket", name: "a" },
        { alertname: "CertificateExpiring", severity: "ticket", name: "b" },
      ],
      ["CertificateExpiring a"],
    ],
    ["nothing else", [{ alertname: "TargetDown", severity: "ticket" }], []],
  ] as const)("mutes %s", async ([title, firing, muted]) => {
    const namespace = title.replaceAll(/\W+/g, "-");
    expect(await mutedOf(firing.map((labels) => ({ ...labels, namespace })))).toEqual(muted.toSorted());
  });
});
