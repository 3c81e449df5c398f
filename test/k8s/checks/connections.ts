/**
 * All pods together, those of an update among them, open no more connections than the database takes. While an update
 * rolls, pods that end are there too, for their grace period: what they have open is on top of this.
 */
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { mostReplicas } from "../support/autoscaling.ts";
import type { Check } from "../support/check.ts";
import { originConfiguration } from "../support/origin-configuration.ts";
import { ORIGIN } from "../support/pods.ts";
import { share } from "../support/quantity.ts";

/** What the database, or the pooler before it, takes in all. */
const LIMIT = "web-api/database-connections";

export const connections: Check = (manifests) => {
  const deployment = manifests.of(Deployment).find(({ metadata }) => metadata?.name === ORIGIN);
  const configuration = originConfiguration(manifests);
  if (deployment === undefined || configuration?.ok !== true) return [];
  const limit = Number(deployment.metadata?.annotations?.[LIMIT]);
  if (!(limit > 0)) return [`the annotation ${LIMIT} does not say how many the database takes`];
  const replicas = mostReplicas(manifests, ORIGIN);
  const pods = replicas + share(deployment.spec?.strategy?.rollingUpdate?.maxSurge ?? "25%", replicas);
  const opened = pods * configuration.value.database.maxConnections;
  return opened <= limit
    ? []
    : [`${pods} pods open up to ${opened} connections; the database takes ${limit}`];
};
