/** Traces, metrics and logs arrive where they are kept. */
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { collectorsOf } from "../support/collectors.ts";
import { originConfiguration } from "../support/environment.ts";
import { type Check, type Manifests, titleOf } from "../support/manifests.ts";
import { originContainer, podsOf } from "../support/pods.ts";

/** The overlay for a laptop, which keeps nothing. */
const DEV = "breakwater-dev";

const KEEPS_NOTHING = /^(debug|nop)(\/|$)/;

/** Every pipeline of every collector ends in an exporter that has an address and is not for debugging. */
export const kept: Check = (manifests) =>
  collectorsOf(manifests)
    .filter(({ pods }) => pods.namespace !== DEV)
    .flatMap(({ pods: { title }, destinations }) =>
      [...Map.groupBy(destinations, ({ pipeline }) => pipeline)]
        .filter(
          ([, each]) => !each.some(({ exporter, endpoint }) => endpoint && !KEEPS_NOTHING.test(exporter)),
        )
        .map(
          ([pipeline, each]) =>
            `${title}: ${pipeline} end in ${each.map(({ exporter }) => exporter)} and are lost`,
        ),
    );

/** Names for documentation (RFC 2606). */
const PLACEHOLDER = /(^|[./@])example\.(com|net|org)\b/;

/** Values that you replace by your own, by where they are. */
const replaceable = (manifests: Manifests): Record<string, string | undefined> => {
  const origin = originConfiguration(manifests);
  return {
    ...Object.fromEntries(
      collectorsOf(manifests).flatMap(({ pods, destinations }) =>
        destinations.map(({ pipeline, endpoint }) => [`${pods.title}, where ${pipeline} go`, endpoint]),
      ),
    ),
    "the origin's hosts": origin?.ok === true ? origin.value.server.authorities.join(", ") : undefined,
    ...Object.fromEntries(
      manifests.of(HTTPRoute).map((route) => [titleOf(route), route.spec.hostnames?.join(", ")]),
    ),
  };
};

/** Once the image is yours, no placeholder is left: telemetry would be lost, and requests rejected. */
export const placeholders: Check = (manifests) => {
  const image = originContainer(manifests)?.image ?? "";
  const isDev = podsOf(manifests).some(({ namespace }) => namespace === DEV);
  if (isDev || PLACEHOLDER.test(image) || !image.includes("/")) return [];
  return Object.entries(replaceable(manifests))
    .filter(([, value]) => value !== undefined && PLACEHOLDER.test(value))
    .map(([place, value]) => `${place}: ${value} is a placeholder`);
};

/** Of the origin, of the edge, and of the log files. */
const KINDS_OF_COLLECTORS = ["otel-collector", "edge-collector", "log-collector"];

/** @returns the collectors that the manifests lack */
export const missingCollectors = (manifests: Manifests): string[] => {
  const names = collectorsOf(manifests).map(({ pods }) => pods.name);
  return KINDS_OF_COLLECTORS.filter((name) => !names.includes(name));
};
