/** Where the collector in the cluster sends telemetry. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { mergedConfiguration } from "../container/support/collector.ts";
import { environmentOf, mountedFile } from "./support/environment.ts";
import { type Manifests, parseManifests, toManifests } from "./support/manifests.ts";
import { podsOf } from "./support/pods.ts";
import { hasKubectl, isRequired, k8sFolder, render, withCopy } from "./support/render.ts";

const configuration = z.object({
  exporters: z.record(z.string(), z.object({ endpoint: z.string().optional() })),
  service: z.object({ pipelines: z.record(z.string(), z.object({ exporters: z.array(z.string()) })) }),
});

/** The address to which each pipeline sends; undefined for one that only logs. */
const destinationsIn = (manifests: Manifests): Record<string, string | undefined> => {
  const pods = podsOf(manifests).find(({ name }) => name === "otel-collector");
  const container = pods?.containers[0];
  if (pods === undefined || container === undefined) throw new Error("there is no collector");
  const files = (container.args ?? []).map((arg) =>
    mountedFile(manifests, pods.spec, container, arg.replace("--config=", "")),
  );
  const merged = files.map((text) => parse(text ?? "")).reduce(mergedConfiguration);
  const { exporters, service } = configuration.parse(merged);
  const environment = environmentOf(manifests, container);
  const addressOf = (name: string): string | undefined =>
    exporters[name]?.endpoint?.replace(/\$\{env:(\w+)\}/g, (_, variable) => environment[variable] ?? "");
  const addresses = Object.entries(service.pipelines).map(
    ([name, pipeline]) => [name, pipeline.exporters.map(addressOf).find(Boolean)] as const,
  );
  return Object.fromEntries(addresses);
};

const destinations = (folder: string) => destinationsIn(toManifests(parseManifests(render(folder).yaml)));

const all = (address: string | undefined) => ({ traces: address, metrics: address, logs: address });

describe.skipIf(!hasKubectl && !isRequired)("the collector", () => {
  test.for([
    ["overlays/production", "https://otlp.example.com"],
    ["overlays/staging", "https://otlp.staging.example.com"],
    ["overlays/dev", undefined],
  ] as const)("of %s sends every kind of telemetry to %s", ([folder, address]) => {
    expect(destinations(join(k8sFolder, folder))).toEqual(all(address));
  });

  test("sends to another backend after one change in the overlay", () => {
    withCopy((copy) => {
      const path = join(copy, "overlays/production/kustomization.yaml");
      const text = readFileSync(path, "utf8");
      writeFileSync(path, text.replace("https://otlp.example.com", "https://telemetry.example.net"));
      expect(destinations(join(copy, "overlays/production"))).toEqual(all("https://telemetry.example.net"));
    });
  });
});
