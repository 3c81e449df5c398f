/** Something migrates the database: each pod at startup, or one Job. */
import { Job } from "kubernetes-models/batch/v1/Job";
import { environmentOf, originConfiguration } from "../support/environment.ts";
import { type Check, faultsOf } from "../support/manifests.ts";
import { MIGRATION, originContainer, podsOf } from "../support/pods.ts";

export const migrations: Check = (manifests) => {
  const origin = originConfiguration(manifests);
  const serving = originContainer(manifests);
  const [job] = manifests.of(Job).filter(({ metadata }) => metadata?.name === MIGRATION);
  if (origin?.ok !== true || serving === undefined) return [];
  const container = podsOf(manifests).find(({ kind, name }) => kind === "Job" && name === MIGRATION)
    ?.containers[0];
  const isApart = origin.value.database.migrate === "apart";
  const required = ["ORIGIN_AUTHORITIES", "DATABASE_URL", "REDIS_URL", "SIGNING_KEYS"];
  const variables = container === undefined ? [] : Object.keys(environmentOf(manifests, container));
  const missing = required.filter((name) => !variables.includes(name));
  return faultsOf("the migrations", {
    "the origin waits for a Job that is missing": isApart && job === undefined,
    "a Job and each pod migrate": !isApart && job !== undefined,
    [`the Job has another image than the origin: ${container?.image}`]:
      container !== undefined && container.image !== serving.image,
    [`the Job has no ${missing.join(", ")}`]: container !== undefined && missing.length > 0,
    "the Job runs without end": job !== undefined && job.spec?.activeDeadlineSeconds === undefined,
  });
};
