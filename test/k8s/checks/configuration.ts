/** The origin accepts its file and its environment, and listens where its container says. */

import { allKeys } from "../../../src/origin/config/schema.ts";
import type { Check } from "../support/check.ts";
import { environmentOf } from "../support/environment.ts";
import { originConfiguration } from "../support/origin-configuration.ts";
import { originContainer } from "../support/pods.ts";

/** Which other programs read: Node, and OpenTelemetry's specification of environment variables. */
const OTHERS = /^(NODE_OPTIONS|NODE_ENV|TZ|OTEL_RESOURCE_ATTRIBUTES)$/;
/** The downward API's, for OTEL_RESOURCE_ATTRIBUTES. */
const PARTS = /^(POD_NAME|POD_NAMESPACE|NODE_NAME)$/;

export const configuration: Check = (manifests) => {
  const container = originContainer(manifests);
  const reading = originConfiguration(manifests);
  if (container === undefined || reading === undefined) return ["there is no origin"];
  if (!reading.ok) return [reading.message];
  const { host, port, adminPort } = reading.value.server;
  const portOf = (wanted: string): number | undefined =>
    container.ports?.find(({ name }) => name === wanted)?.containerPort;
  const [http, metrics] = [portOf("http"), portOf("metrics")];
  const known = ["CONFIG_FILE", ...allKeys.flatMap(({ variables }) => variables)];
  const unknown = Object.keys(environmentOf(manifests, container)).filter(
    (name) => !known.includes(name) && !OTHERS.test(name) && !PARTS.test(name),
  );
  return [
    ...(http === port ? [] : [`it serves on ${port}, its container's port http is ${http}`]),
    ...(metrics === adminPort
      ? []
      : [`its admin port is ${adminPort}, its container's port metrics is ${metrics}`]),
    ...(["0.0.0.0", "::"].includes(host) ? [] : [`nobody outside the pod reaches ${host}`]),
    ...unknown.map((name) => `nobody reads ${name}`),
  ];
};
