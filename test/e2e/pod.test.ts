/** The rendered Deployment's settings, applied to a real process. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { EXIT } from "../../src/origin/lifecycle/exit.ts";
import { endUnderLoad, startLoad } from "../container/support/load.ts";
import { type Pod, START_MS, untilPasses, untilReady } from "../container/support/pod.ts";
import { type PodPlan, podPlan } from "../container/support/pod-plan.ts";
import { type Layout, layOut, startProcessPod } from "../container/support/process-pod.ts";
import { broken, readBreakages } from "../k8s/support/breakage.ts";
import type { KubernetesObject } from "../k8s/support/manifests.ts";
import { hasKubectl, isRequired, k8sFolder, renderObjects } from "../k8s/support/render.ts";
import { metricNamesIn } from "../observability/expression.ts";
import { recordingRules } from "../observability/rule-files.ts";
import { type Backing, send, startBacking } from "../support/backing.ts";

const CONNECTIONS = 8;
const STOCK = 1_000_000;
const REQUESTS = 300;

/** Pods use the same ports on different loopback addresses, which only Linux has by default. */
const canRun = process.platform === "linux" && (hasKubectl || isRequired);

/** Of the components that scale by recorded series. */
const scalingFiles = ["custom-metrics/prometheus-adapter.yaml", "keda/scaled-object.yaml"]
  .map((path) => join(k8sFolder, "components", path))
  .filter((path) => existsSync(path));

/** A pod's metrics from which rules record those series. */
const scalingMetrics = (): Set<string> => {
  const text = scalingFiles.map((path) => readFileSync(path, "utf8")).join();
  const recorded = recordingRules.filter(({ record }) => new RegExp(`\\b${record}\\b`).test(text));
  return new Set(recorded.flatMap(({ expr }) => metricNamesIn(expr)));
};

describe.skipIf(!canRun)("a pod of the rendered Deployment, as a process", () => {
  let layout: Layout;
  let backing: Backing;
  let objects: KubernetesObject[];
  let plan: PodPlan;
  beforeAll(async () => {
    [layout, backing] = await Promise.all([layOut(), startBacking()]);
    objects = renderObjects({ base: "overlays/dev", components: [] });
    plan = podPlan(objects);
  });
  afterAll(async () => {
    await backing?.stop();
    await layout?.remove();
  });

  const begun: Pod[] = [];
  const begin = async (as: PodPlan): Promise<Pod> => {
    const pod = await startProcessPod(as, layout, backing);
    begun.push(pod);
    return pod;
  };
  afterEach(async () => {
    for (const pod of begun.splice(0)) await pod.kill();
  });

  test("passes its probes, serves on its ports, stays within its memory, and ends within its grace period", async () => {
    const pod = await begin(plan);
    await untilReady(pod);
    await backing.addSampleData(STOCK);

    const load = startLoad(pod, CONNECTIONS);
    await expect.poll(load.succeeded, { timeout: 30_000 }).toBeGreaterThan(REQUESTS);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await pod.peakBytes()).toBeLessThan(plan.memoryBytes);

    const metrics = await send(`http://${pod.host}:${plan.ports.metrics}/metrics`);
    expect(scalingMetrics().size).toBeGreaterThanOrEqual(scalingFiles.length);
    for (const name of scalingMetrics()) expect(metrics.body).toMatch(new RegExp(`^${name}[{ ]`, "m"));

    const end = await endUnderLoad(pod, CONNECTIONS);
    expect(end.load.failures).toEqual([]);
    expect(end).toMatchObject({ code: 0, becameUnready: true });
    expect(end.tookMs).toBeLessThan(plan.endMs);
  });

  /** A pod of the manifests with a breakage of breakages.yaml. */
  const beginBroken = async (what: string): Promise<Pod> => {
    const row = readBreakages().find((breakage) => breakage.what === what);
    if (row === undefined) throw new Error(`unknown breakage: ${what}`);
    return await begin(podPlan(broken(objects, row)));
  };

  test.for([
    "a key of the file is misspelled",
    "a value is out of range",
  ])("ends with 78 if %s", async (what) => {
    const pod = await beginBroken(what);
    expect(await pod.exited).toBe(EXIT.configuration);
  });

  test("is never ready if the readiness probe has the wrong port", async () => {
    const pod = await beginBroken("the readiness probe has the wrong port");
    await untilPasses(pod, plan.startup, START_MS);
    await expect(untilPasses(pod, pod.plan.readiness, 2_000)).rejects.toThrow("/ready never passed");
  });

  test("never starts if the file has another port than the container", async () => {
    const pod = await beginBroken("the file has another port than the container");
    // The process itself listens.
    await untilPasses(pod, { ...plan.startup, port: 8000 }, START_MS);
    await expect(untilPasses(pod, pod.plan.startup, 2_000)).rejects.toThrow("/health never passed");
  });
});
