/** Which components make sense together, in which kustomization. */
export interface Combination {
  /** A folder below k8s/; `.` is k8s/ itself. */
  readonly base: string;
  /** What is added to those that it has. */
  readonly components: readonly string[];
}

interface Additions {
  /** At most one of them: two would contradict each other, or do the same. */
  readonly ways: readonly (readonly string[])[];
  /** Any of them. */
  readonly optional: readonly string[];
}

/** Of overlays that have chosen their way in: what else may come in by it. */
const CHOSEN: Additions = {
  ways: [[], ["edge-telemetry", "edge-telemetry-route"]],
  optional: ["logs", "external-secrets"],
};
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
  // It is reached by port-forward, and brings its own Secrets.
  "overlays/dev": { ways: [[]], optional: ["prometheus-operator", "logs"] },
  "overlays/staging": CHOSEN,
  "overlays/production": CHOSEN,
};
const SCALING = [[], ["custom-metrics"], ["keda"]];
/** Touches nothing else: alone, and with all the others. */
const APART = "dashboards";

const subsetsOf = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: 2 ** items.length }, (_, bits) => items.filter((_item, at) => (bits >> at) & 1));

const bases = Object.entries(BASES).map(([base, { ways, optional }]) => ({
  base,
  ways: ways.map((way) => ({ way, rest: optional.filter((name) => !way.includes(name)) })),
}));

/** Every sensible one. */
export const allCombinations = (): Combination[] =>
  bases.flatMap(({ base, ways }) =>
    ways.flatMap(({ way, rest }) =>
      SCALING.flatMap((scaling) =>
        [...subsetsOf(rest).slice(0, -1), [...rest, APART], [APART]].map((some) => ({
          base,
          components: [...way, ...scaling, ...some],
        })),
      ),
    ),
  );

/**
 * Of each kustomization what it has, and with all of the optional ones each way in, and of k8s/ itself each scaling: in
 * a fraction of the time.
 */
export const someCombinations = (): Combination[] =>
  bases.flatMap(({ base, ways }) => {
    const full = ways.map(({ way, rest }) => [...way, ...rest, APART]);
    const scaled = base === "." ? SCALING.slice(1).map((scaling) => [...scaling, ...(full[0] ?? [])]) : [];
    return [[], ...full, ...scaled].map((components) => ({ base, components }));
  });
