/** The readiness checklist: every item, judged. */
import { join } from "node:path";
import * as z from "zod";
import { parseManifests, toManifests } from "../k8s/support/manifests.ts";
import { render } from "../k8s/support/render.ts";
import type { Item, Judge, Repository } from "./item.ts";
import {
  alertRules,
  disruptionBudget,
  healthChecks,
  imageScan,
  logCollection,
  resourceLimits,
  traceSampling,
} from "./judges.ts";
import { disasterRecovery } from "./recovery.ts";
import { autoscaling } from "./scaling.ts";
import { breakersAndDegradation } from "./tests.ts";

const JUDGES: readonly (readonly [title: string, judge: Judge])[] = [
  ["image scan", imageScan],
  ["resource limits", resourceLimits],
  ["health checks", healthChecks],
  ["autoscaler configured and tested", autoscaling],
  ["pod disruption budget", disruptionBudget],
  ["alert rules", alertRules],
  ["log collection", logCollection],
  ["trace sampling", traceSampling],
  ["circuit breaker and degradation", breakersAndDegradation],
  ["disaster recovery", disasterRecovery],
];

/** @throws Error if kubectl cannot render the overlay production */
export const readRepository = (folder: string, runsTests: boolean): Repository => {
  const objects = parseManifests(render(join(folder, "k8s/overlays/production")).yaml);
  return { folder, objects, manifests: toManifests(objects), runsTests };
};

/** A judge that cannot read what it judges has found a fault. */
const judged = async (judge: Judge, repository: Repository) => {
  try {
    return await judge(repository);
  } catch (error) {
    const reason =
      error instanceof z.ZodError
        ? z.prettifyError(error)
        : error instanceof Error
          ? error.message
          : String(error);
    return { verdict: "failed" as const, evidence: [reason.replaceAll(/\s*\n\s*/g, " ")] };
  }
};

/** @param number the only one to judge @default all */
export const judgeItems = async (repository: Repository, number?: number): Promise<Item[]> => {
  const items: Item[] = [];
  for (const [index, [title, judge]] of JUDGES.entries())
    if (number === undefined || number === index + 1)
      items.push({ number: index + 1, title, ...(await judged(judge, repository)) });
  return items;
};
