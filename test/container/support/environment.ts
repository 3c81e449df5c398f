/** What a pod's environment is in a test: the manifest's, with the Secrets' values and the address of the test. */
import type { Backing } from "../../support/backing.ts";
import { ALONE } from "../../support/origin-process.ts";
import type { PodPlan } from "./pod-plan.ts";

export const testEnvironment = (
  { environment }: PodPlan,
  backing: Backing,
  host: string,
): Record<string, string> => ({
  ...environment,
  SIGNING_KEYS: ALONE.SIGNING_KEYS,
  ...backing.environment,
  HOST: host,
});
