import { beforeAll, describe, expect, test } from "vitest";
import { checkNames, runChecks } from "./checks/all.ts";
import { type Breakage, broken, hasObject, readBreakages } from "./support/breakage.ts";
import { type Combination, hasComponent } from "./support/combinations.ts";
import { unknownFields } from "./support/fields.ts";
import type { KubernetesObject } from "./support/manifests.ts";
import { hasKubectl, isRequired, renderObjects } from "./support/render.ts";

type SetName = Breakage["in"];

const SETS: Readonly<Record<SetName, Combination>> = {
  production: { base: "overlays/production", components: ["external-secrets"] },
  dev: { base: "overlays/dev", components: [] },
  direct: { base: "overlays/direct", components: [] },
  ingress: { base: ".", components: ["ingress", "custom-metrics"] },
  keda: { base: ".", components: ["cloudflared", "keda"] },
  logs: { base: "overlays/staging", components: ["logs"] },
  migrations: { base: "overlays/dev", components: ["migrations"] },
  telemetry: {
    base: ".",
    components: ["cloudflared", "otel-collector", "edge-telemetry", "prometheus-operator"],
  },
};

const all = readBreakages();
const rendered = new Map<SetName, KubernetesObject[]>();

const objectsOf = (name: SetName): KubernetesObject[] => {
  const { base, components } = SETS[name];
  const objects = rendered.get(name) ?? renderObjects({ base, components: components.filter(hasComponent) });
  rendered.set(name, objects);
  return objects;
};

/** Those that apply without the components that `npm run create` left out. */
const breakages = all.filter(
  (row) =>
    SETS[row.in].components.every(hasComponent) ||
    (hasComponent(row.needs ?? ".") && (!hasKubectl || hasObject(objectsOf(row.in), row))),
);

test("every check has a breakage", () => {
  expect(new Set(all.map(({ check }) => check))).toEqual(new Set(checkNames));
});

describe.skipIf(!hasKubectl && !isRequired)("a broken manifest fails its check", () => {
  // One run of the compiler for all of them.
  beforeAll(() => {
    unknownFields(breakages.flatMap((row) => broken(objectsOf(row.in), row)));
  }, 180_000);

  test.for(breakages)("$check: $what", (row) => {
    const objects = objectsOf(row.in);
    expect(runChecks(objects)).toEqual({});
    const faults = runChecks(broken(objects, row));
    expect(faults).toHaveProperty([row.check]);
    expect(faults[row.check]?.join("\n")).toContain(row.says);
  });
});
