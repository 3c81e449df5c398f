/** What a cluster and an edge say, read only: `kubectl get` and GET requests. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as z from "zod";
import type { Finding, Item } from "./item.ts";

export interface LiveOptions {
  /** Of kubectl's configuration. @default no cluster is read */
  readonly context: string | undefined;
  readonly namespace: string;
  /** Of the edge. @default none */
  readonly url: string | undefined;
}

/** By kind: the objects of the namespace. */
export type ReadObjects = (kind: string) => Promise<readonly unknown[]>;

const TIMEOUT_MS = 20_000;

const list = z.object({ items: z.array(z.unknown()) });

/** @returns a function that throws kubectl's error */
const fromCluster =
  (context: string, namespace: string): ReadObjects =>
  async (kind) => {
    const args = ["--context", context, "--namespace", namespace, "get", kind, "--output", "json"];
    const { stdout } = await promisify(execFile)("kubectl", args, {
      timeout: TIMEOUT_MS,
      maxBuffer: 64 * 2 ** 20,
    });
    return list.parse(JSON.parse(stdout)).items;
  };

const pod = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    containers: z.array(
      z.object({
        name: z.string(),
        resources: z.object({ limits: z.record(z.string(), z.string()).default({}) }).default({ limits: {} }),
      }),
    ),
  }),
  status: z.object({
    containerStatuses: z.array(z.object({ ready: z.boolean(), restartCount: z.number() })).default([]),
  }),
});

const autoscaler = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ maxReplicas: z.number() }),
  status: z.object({
    currentReplicas: z.number().default(0),
    conditions: z
      .array(z.object({ type: z.string(), status: z.string(), reason: z.string().default("") }))
      .default([]),
  }),
});

const budget = z.object({
  metadata: z.object({ name: z.string() }),
  status: z.object({ disruptionsAllowed: z.number() }),
});

/** Restarts of a container above which its pod is not healthy. */
const MAX_RESTARTS = 3;

const finding = (faults: readonly string[], evidence: string): Finding =>
  faults.length > 0 ? { verdict: "failed", evidence: faults } : { verdict: "passed", evidence: [evidence] };

const limits = async (read: ReadObjects): Promise<Finding> => {
  const pods = z.array(pod).parse(await read("pods"));
  const faults = pods.flatMap(({ metadata, spec }) =>
    spec.containers
      .filter(({ resources }) => resources.limits["memory"] === undefined)
      .map(({ name }) => `pod ${metadata.name}: ${name} has no memory limit`),
  );
  return finding(pods.length === 0 ? ["there is no pod"] : faults, `${pods.length} pods have memory limits`);
};

const health = async (read: ReadObjects): Promise<Finding> => {
  const pods = z.array(pod).parse(await read("pods"));
  const faults = pods.flatMap(({ metadata, status }) => [
    ...(status.containerStatuses.every(({ ready }) => ready) ? [] : [`pod ${metadata.name} is not ready`]),
    ...status.containerStatuses
      .filter(({ restartCount }) => restartCount > MAX_RESTARTS)
      .map(({ restartCount }) => `pod ${metadata.name} has restarted ${restartCount} times`),
  ]);
  return finding(pods.length === 0 ? ["there is no pod"] : faults, `${pods.length} pods are ready`);
};

const scaling = async (read: ReadObjects): Promise<Finding> => {
  const all = z.array(autoscaler).parse(await read("horizontalpodautoscalers"));
  const faults = all.flatMap(({ metadata, spec, status }) => [
    ...["ScalingActive", "AbleToScale"].flatMap((type) => {
      const condition = status.conditions.find((each) => each.type === type);
      return condition?.status === "True"
        ? []
        : [`autoscaler ${metadata.name}: ${type} is not true (${condition?.reason ?? "unknown"})`];
    }),
    ...(status.currentReplicas >= spec.maxReplicas ? [`autoscaler ${metadata.name} is at its maximum`] : []),
  ]);
  const now = all
    .map(({ metadata, status }) => `${metadata.name}: ${status.currentReplicas} pods`)
    .join(", ");
  return finding(all.length === 0 ? ["there is no autoscaler"] : faults, `scales, ${now}`);
};

const budgets = async (read: ReadObjects): Promise<Finding> => {
  const all = z.array(budget).parse(await read("poddisruptionbudgets"));
  const faults = all
    .filter(({ status }) => status.disruptionsAllowed < 1)
    .map(({ metadata }) => `budget ${metadata.name} allows no disruption now`);
  return finding(
    all.length === 0 ? ["there is no disruption budget"] : faults,
    `${all.length} budgets allow a disruption`,
  );
};

/** By the item's number. */
const LIVE: Readonly<Record<number, (read: ReadObjects) => Promise<Finding>>> = {
  2: limits,
  3: health,
  4: scaling,
  5: budgets,
};

const rank = { failed: 2, open: 1, passed: 0 };

/** The worse verdict, with the evidence of both. */
const merged = (item: Item, live: Finding, source: string): Item => ({
  ...item,
  verdict: rank[live.verdict] > rank[item.verdict] ? live.verdict : item.verdict,
  evidence: [...item.evidence, ...live.evidence.map((each) => `${source}: ${each}`)],
});

/** @param source of the objects, for the evidence */
export const addCluster = (items: readonly Item[], read: ReadObjects, source: string): Promise<Item[]> =>
  Promise.all(
    items.map(async (item) => {
      const judge = LIVE[item.number];
      if (judge === undefined) return item;
      try {
        return merged(item, await judge(read), source);
      } catch (error) {
        const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
        return merged(item, { verdict: "open", evidence: [`cannot be read: ${reason}`] }, source);
      }
    }),
  );

const HEALTH_ITEM = 3;

const addEdge = async (items: readonly Item[], url: string): Promise<Item[]> => {
  const statusOf = async (path: string): Promise<string> => {
    try {
      return String((await fetch(new URL(path, url), { signal: AbortSignal.timeout(TIMEOUT_MS) })).status);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const status = await statusOf("/openapi.json");
  const live = finding(status === "200" ? [] : [`GET /openapi.json: ${status}`], "GET /openapi.json: 200");
  return items.map((item) => (item.number === HEALTH_ITEM ? merged(item, live, url) : item));
};

/** Adds what is asked for. */
export const addLive = async (
  items: readonly Item[],
  { context, namespace, url }: LiveOptions,
): Promise<readonly Item[]> => {
  const withCluster =
    context === undefined ? items : await addCluster(items, fromCluster(context, namespace), context);
  return url === undefined ? withCluster : addEdge(withCluster, url);
};
