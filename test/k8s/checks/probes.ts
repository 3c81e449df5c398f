/** Every long-running container has a startup, a liveness and a readiness probe. */
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IProbe } from "kubernetes-models/v1/Probe";
import { type Check, faultsOf } from "../support/manifests.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";

const KINDS = ["startupProbe", "livenessProbe", "readinessProbe"] as const;
/** The origin's paths; `pod.test.ts` probes the real ones. */
const ORIGIN_PATHS = { startupProbe: "/health", livenessProbe: "/health", readinessProbe: "/ready" } as const;

const secondsToFail = ({ periodSeconds = 10, failureThreshold = 3 }: IProbe): number =>
  periodSeconds * failureThreshold;

const probeFaults = (title: string, container: IContainer, kind: (typeof KINDS)[number]): string[] => {
  const { httpGet: get, tcpSocket } = container[kind] ?? {};
  const wanted = get?.port ?? tcpSocket?.port;
  const port = container.ports?.find(
    ({ name, containerPort }) => name === wanted || containerPort === wanted,
  );
  const isOrigin = container.name === ORIGIN;
  return faultsOf(title, {
    [`${kind} has the port ${wanted}, but the container does not`]:
      wanted !== undefined && port === undefined,
    [`${kind} has the path ${get?.path} instead of ${ORIGIN_PATHS[kind]}`]:
      isOrigin && get?.path !== ORIGIN_PATHS[kind],
    [`${kind} uses ${get?.scheme}`]: isOrigin && (get?.scheme ?? "HTTP") !== "HTTP",
    [`${kind} does not use the port http`]: isOrigin && port?.name !== "http",
  });
};

export const probes: Check = (manifests) =>
  podsOf(manifests)
    // A Job's pods serve nothing.
    .filter(({ kind }) => !kind.endsWith("Job"))
    .flatMap(({ title, spec }) =>
      spec.containers.flatMap((container) => {
        const { livenessProbe, readinessProbe, startupProbe } = container;
        if (livenessProbe === undefined || readinessProbe === undefined || startupProbe === undefined)
          return KINDS.filter((kind) => container[kind] === undefined).map(
            (kind) => `${title}: there is no ${kind}`,
          );
        return [
          ...KINDS.flatMap((kind) => probeFaults(title, container, kind)),
          ...faultsOf(title, {
            "livenessProbe fails before readinessProbe":
              secondsToFail(livenessProbe) <= secondsToFail(readinessProbe),
            "startupProbe allows less than 30 s": secondsToFail(startupProbe) < 30,
          }),
        ];
      }),
    );
