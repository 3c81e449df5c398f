/** Sensible combinations of components, by kustomization. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { k8sFolder } from "./render.ts";

/** `npm run create` can leave components out. */
export const hasComponent = (name: string): boolean => existsSync(join(k8sFolder, "components", name));

export interface Combination {
  /** A folder below k8s/; `.` is k8s/ itself. */
  readonly base: string;
  /** Added to its own. */
  readonly components: readonly string[];
}

interface Additions {
  /** Ways for requests to arrive, of which one applies. */
  readonly ways: readonly (readonly string[])[];
  /** Any of them may be added. */
  readonly optional: readonly string[];
  /** Independent components that it already has. */
  readonly has?: readonly string[];
}

const BASES: Readonly<Record<string, Additions>> = {
  ".": {
    ways: [
      [],
      ["gateway"],
      ["ingress"],
      ["cloudflared"],
      ["gateway", "otel-collector", "edge-telemetry", "edge-telemetry-route"],
      ["cloudflared", "otel-collector", "edge-telemetry"],
    ],
    optional: ["otel-collector", "prometheus-operator", "logs", "external-secrets"],
  },
  // Reached by port-forward, with its own Secrets.
  "overlays/dev": { ways: [[]], optional: ["prometheus-operator", "logs"] },
  // These have their way in.
  "overlays/direct": {
    ways: [[]],
    optional: ["logs", "external-secrets"],
    has: ["namespace-limits", "priority"],
  },
  "overlays/staging": { ways: [[]], optional: ["logs", "external-secrets"], has: ["namespace-limits"] },
  "overlays/production": {
    ways: [[]],
    optional: ["external-secrets"],
    has: ["backup", "namespace-limits", "priority"],
  },
};
const SCALING = [[], ["custom-metrics"], ["keda"]].filter((names) => names.every(hasComponent));
/** Independent of all others: added without them, and with all of them, at the end. */
const INDEPENDENT = ["backup", "dashboards", "migrations", "namespace-limits", "priority", "user-namespaces"];

const subsetsOf = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: 2 ** items.length }, (_, bits) => items.filter((_item, at) => (bits >> at) & 1));

const bases = Object.entries(BASES).map(([base, { ways, optional, has = [] }]) => ({
  base,
  independent: INDEPENDENT.filter((name) => !has.includes(name)),
  ways: ways
    .filter((way) => way.every(hasComponent))
    .map((way) => ({ way, rest: optional.filter((name) => hasComponent(name) && !way.includes(name)) })),
}));

/** Every sensible one. */
export const allCombinations = (): Combination[] =>
  bases.flatMap(({ base, ways, independent }) =>
    ways.flatMap(({ way, rest }) =>
      SCALING.flatMap((scaling) =>
        [...subsetsOf(rest).slice(0, -1), [...rest, ...independent], independent].map((some) => ({
          base,
          components: [...way, ...scaling, ...some],
        })),
      ),
    ),
  );

/** Each kustomization alone, and with all optional components for each way in; k8s/ itself also with each scaling. */
export const someCombinations = (): Combination[] =>
  bases.flatMap(({ base, ways, independent }) => {
    const full = ways.map(({ way, rest }) => [...way, ...rest, ...independent]);
    const scaled = base === "." ? SCALING.slice(1).map((scaling) => [...scaling, ...(full[0] ?? [])]) : [];
    return [[], ...full, ...scaled].map((components) => ({ base, components }));
  });
