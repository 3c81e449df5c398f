/** Where the collector in the cluster sends telemetry. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { network } from "./checks/network.ts";
import { missingCollectors } from "./checks/telemetry.ts";
import { collectorsOf } from "./support/collectors.ts";
import { type Manifests, parseManifests, toManifests } from "./support/manifests.ts";
import { hasKubectl, isRequired, k8sFolder, render, withCopy } from "./support/render.ts";

/** The address to which each pipeline sends; undefined for one that only logs. */
const destinationsIn = (manifests: Manifests): Record<string, string | undefined> => {
  const collector = collectorsOf(manifests).find(({ pods }) => pods.name === "otel-collector");
  if (collector === undefined) throw new Error("there is no collector");
  return Object.fromEntries(collector.destinations.map(({ pipeline, endpoint }) => [pipeline, endpoint]));
};

const destinations = (folder: string) => destinationsIn(toManifests(parseManifests(render(folder).yaml)));

const all = (address: string | undefined) => ({ traces: address, metrics: address, logs: address });

describe.skipIf(!hasKubectl && !isRequired)("the collector", () => {
  test.for([
    ["overlays/production", "https://otlp.example.com"],
    ["overlays/staging", "https://otlp.staging.example.com"],
    ["overlays/direct", "https://otlp.example.com"],
    ["overlays/dev", undefined],
  ] as const)("of %s sends every kind of telemetry to %s", ([folder, address]) => {
    expect(destinations(join(k8sFolder, folder))).toEqual(all(address));
  });

  test("of production receives the origin's and the edge's telemetry and the pods' logs", () => {
    const manifests = toManifests(parseManifests(render(join(k8sFolder, "overlays/production")).yaml));
    expect(missingCollectors(manifests)).toEqual([]);
  });

  test("sends to another backend after one change in the overlay", () => {
    withCopy((copy) => {
      const path = join(copy, "overlays/production/kustomization.yaml");
      const text = readFileSync(path, "utf8");
      writeFileSync(path, text.replace("https://otlp.example.com", "https://telemetry.example.net"));
      expect(destinations(join(copy, "overlays/production"))).toEqual(all("https://telemetry.example.net"));
    });
  });

  test("sends logs elsewhere if the overlay names a store for them", () => {
    withCopy((copy) => {
      const path = join(copy, "overlays/production/kustomization.yaml");
      const text = readFileSync(path, "utf8");
      const store = "http://loki.monitoring:3100/otlp/v1/logs";
      writeFileSync(path, text.replace('value: ""', `value: ${store}`));
      const manifests = toManifests(parseManifests(render(join(copy, "overlays/production")).yaml));
      expect(destinationsIn(manifests)).toEqual({ ...all("https://otlp.example.com"), logs: store });
      expect(network(manifests)).toEqual([]);
    });
  });
});
