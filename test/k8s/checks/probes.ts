/** Every long-running container is asked whether it has started, lives and may get requests; each its own question. */
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IProbe } from "kubernetes-models/v1/Probe";
import { type Check, faultsOf } from "../support/check.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";

const KINDS = ["startupProbe", "livenessProbe", "readinessProbe"] as const;
/** What the origin answers, and to which question; a test asks the real one. */
const ORIGIN_PATHS = { startupProbe: "/health", livenessProbe: "/health", readinessProbe: "/ready" } as const;

const secondsToFail = ({ periodSeconds = 10, failureThreshold = 3 }: IProbe): number =>
  periodSeconds * failureThreshold;

/** @param container its own ports are asked */
const probeFaults = (title: string, container: IContainer, kind: (typeof KINDS)[number]): string[] => {
  const { httpGet: get, tcpSocket } = container[kind] ?? {};
  const wanted = get?.port ?? tcpSocket?.port;
  const port = container.ports?.find(
    ({ name, containerPort }) => name === wanted || containerPort === wanted,
  );
  const isOrigin = container.name === ORIGIN;
  return faultsOf(title, {
    [`${kind} asks the port ${wanted}, which the container has not`]:
      wanted !== undefined && port === undefined,
    [`${kind} asks ${get?.path}, not ${ORIGIN_PATHS[kind]}`]: isOrigin && get?.path !== ORIGIN_PATHS[kind],
    [`${kind} speaks ${get?.scheme}`]: isOrigin && (get?.scheme ?? "HTTP") !== "HTTP",
    [`${kind} does not ask the port that serves`]: isOrigin && port?.name !== "http",
  });
};

export const probes: Check = (manifests) =>
  podsOf(manifests).flatMap(({ title, spec }) =>
    spec.containers.flatMap((container) => {
      const { livenessProbe, readinessProbe, startupProbe } = container;
      if (livenessProbe === undefined || readinessProbe === undefined || startupProbe === undefined)
        return KINDS.filter((kind) => container[kind] === undefined).map(
          (kind) => `${title}: there is no ${kind}`,
        );
      return [
        ...KINDS.flatMap((kind) => probeFaults(title, container, kind)),
        ...faultsOf(title, {
          "livenessProbe gives up before readinessProbe has taken the pod's requests away":
            secondsToFail(livenessProbe) <= secondsToFail(readinessProbe),
          "startupProbe leaves less than 30 s to start": secondsToFail(startupProbe) < 30,
        }),
      ];
    }),
  );
