/** Every long-running container is asked whether it has started, lives and may get requests; each its own question. */
import type { IContainer } from "kubernetes-models/v1/Container";
import type { IProbe } from "kubernetes-models/v1/Probe";
import type { Check } from "../support/check.ts";
import { ORIGIN, podsOf } from "../support/pods.ts";

/** What the origin answers, and to which question; a test asks the real one. */
const ORIGIN_PATHS = { startupProbe: "/health", livenessProbe: "/health", readinessProbe: "/ready" } as const;
const KINDS = ["startupProbe", "livenessProbe", "readinessProbe"] as const;

const secondsToFail = ({ periodSeconds = 10, failureThreshold = 3 }: IProbe): number =>
  periodSeconds * failureThreshold;

/** A container asks its own ports. */
const portFault = ({ httpGet, tcpSocket }: IProbe, ports: IContainer["ports"] = []): string | undefined => {
  const port = httpGet?.port ?? tcpSocket?.port;
  if (port === undefined || ports.some(({ name, containerPort }) => name === port || containerPort === port))
    return undefined;
  return `asks the port ${port}, which the container has not`;
};

const originFaults = (container: IContainer): string[] =>
  KINDS.flatMap((kind) => {
    const get = container[kind]?.httpGet;
    const port = container.ports?.find(
      ({ name, containerPort }) => name === get?.port || containerPort === get?.port,
    );
    return [
      ...(get?.path === ORIGIN_PATHS[kind] ? [] : [`${kind} asks ${get?.path}, not ${ORIGIN_PATHS[kind]}`]),
      ...(get?.scheme === undefined || get.scheme === "HTTP" ? [] : [`${kind} speaks ${get.scheme}`]),
      ...(port?.name === "http" ? [] : [`${kind} does not ask the port that serves`]),
    ];
  });

const faultsOf = (container: IContainer): string[] => {
  const { livenessProbe, readinessProbe, startupProbe, ports } = container;
  if (livenessProbe === undefined || readinessProbe === undefined || startupProbe === undefined)
    return KINDS.filter((kind) => container[kind] === undefined).map((kind) => `there is no ${kind}`);
  const faults = KINDS.flatMap((kind) => {
    const fault = portFault(container[kind] ?? {}, ports);
    return fault === undefined ? [] : [`${kind} ${fault}`];
  });
  if (secondsToFail(livenessProbe) <= secondsToFail(readinessProbe))
    faults.push("livenessProbe gives up before readinessProbe has taken the pod's requests away");
  if (secondsToFail(startupProbe) < 30) faults.push("startupProbe leaves less than 30 s to start");
  return faults;
};

export const probes: Check = {
  name: "probes",
  find: (manifests) =>
    podsOf(manifests).flatMap(({ title, spec }) =>
      spec.containers
        .flatMap((container) => [
          ...faultsOf(container),
          ...(container.name === ORIGIN ? originFaults(container) : []),
        ])
        .map((fault) => `${title}: ${fault}`),
    ),
};
