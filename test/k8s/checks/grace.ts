/** Whoever ends has the time to end: preStop, what the origin needs after SIGTERM, and some to spare. */
import type { Check } from "../support/check.ts";
import type { Manifests } from "../support/manifests.ts";
import { originConfiguration } from "../support/origin-configuration.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";

/** To leave Redis and the database and to send what is left of the telemetry; as in docs/origin.md. */
const FLUSH_SECONDS = 5;
const MARGIN_SECONDS = 5;
/** Kubernetes' own default. */
const DEFAULT_GRACE_SECONDS = 30;

const ownSeconds = (manifests: Manifests, name: string): number => {
  if (name !== ORIGIN) return 0;
  const configuration = originConfiguration(manifests);
  if (configuration?.ok !== true) return 0;
  const { preStopMs, drainTimeoutMs } = configuration.value.server;
  return (preStopMs + drainTimeoutMs) / 1_000;
};

export const grace: Check = {
  name: "grace",
  find: (manifests) =>
    podsOf(manifests).flatMap(({ title, name, spec, containers }) => {
      const given = spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
      const preStop = Math.max(
        0,
        ...containers.map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0),
      );
      const needed = preStop + ownSeconds(manifests, name) + FLUSH_SECONDS + MARGIN_SECONDS;
      const tooShort =
        given < needed
          ? [`${title}: a grace period of ${given} s is below the ${needed} s that it needs`]
          : [];
      const withoutPreStop =
        name === ORIGIN && preStop < 5
          ? [`${title}: without a preStop of 5 s or more it ends while requests still come`]
          : [];
      const withShell = containers
        .filter(({ lifecycle }) => lifecycle?.preStop?.exec !== undefined)
        .map((container) => `${title}: preStop of ${container.name} runs a command; use sleep`);
      return [...tooShort, ...withoutPreStop, ...withShell];
    }),
};
