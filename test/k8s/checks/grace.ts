/** Whoever ends has the time to end: preStop, what the origin needs after SIGTERM, and some to spare. */
import { type Check, faultsOf } from "../support/check.ts";
import type { Manifests } from "../support/manifests.ts";
import { originConfiguration } from "../support/origin-configuration.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";

/** To leave Redis and the database and to send what is left of the telemetry; as in docs/origin.md. */
const FLUSH_SECONDS = 5;
const MARGIN_SECONDS = 5;
/** Kubernetes' own default. */
const DEFAULT_GRACE_SECONDS = 30;

const originSeconds = (manifests: Manifests): number => {
  const configuration = originConfiguration(manifests);
  if (configuration?.ok !== true) return 0;
  const { preStopMs, drainTimeoutMs } = configuration.value.server;
  return (preStopMs + drainTimeoutMs) / 1_000;
};

export const grace: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, name, spec, containers }) => {
    const given = spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    const hooks = containers.map(({ lifecycle }) => lifecycle?.preStop);
    const preStop = Math.max(0, ...hooks.map((hook) => hook?.sleep?.seconds ?? 0));
    const own = name === ORIGIN ? originSeconds(manifests) : 0;
    const needed = preStop + own + FLUSH_SECONDS + MARGIN_SECONDS;
    return faultsOf(title, {
      [`a grace period of ${given} s is below the ${needed} s that it needs`]: given < needed,
      "without a preStop of 5 s or more it ends while requests still come": name === ORIGIN && preStop < 5,
      "preStop runs a command; use sleep": hooks.some((hook) => hook?.exec !== undefined),
    });
  });
