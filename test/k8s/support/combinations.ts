/** Which components make sense together, in which kustomization. */
export interface Combination {
  /** A folder below k8s/; `.` is k8s/ itself. */
  readonly base: string;
  /** What is added to those that it has. */
  readonly components: readonly string[];
}

/** Of each row at most one: two of them would contradict each other, or do the same. */
const WAYS_IN = [
  [],
  ["gateway"],
  ["ingress"],
  ["cloudflared"],
  ["gateway", "otel-collector", "edge-telemetry", "edge-telemetry-route"],
  ["cloudflared", "otel-collector", "edge-telemetry"],
];
/** Of overlays that have chosen theirs: what else may come in by it. */
const MORE_IN = [[], ["edge-telemetry", "edge-telemetry-route"]];
const SCALING = [[], ["custom-metrics"], ["keda"]];
const OPTIONAL = ["otel-collector", "prometheus-operator", "logs", "external-secrets"];
/** Touches nothing else: alone, and with all the others. */
const APART = ["dashboards"];

/** What each has already. */
const INCLUDED: Readonly<Record<string, readonly string[]>> = {
  ".": [],
  "overlays/dev": ["otel-collector"],
  "overlays/staging": ["gateway", "otel-collector", "prometheus-operator"],
  "overlays/production": ["gateway", "otel-collector", "prometheus-operator"],
};

const subsetsOf = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: 2 ** items.length }, (_, bits) => items.filter((_item, at) => (bits >> at) & 1));

/** Beside Secrets of its own an overlay needs none from elsewhere. */
const optionalOver = (base: string, included: readonly string[]): string[] =>
  OPTIONAL.filter((name) => !included.includes(name)).filter(
    (name) => base !== "overlays/dev" || name !== "external-secrets",
  );

/** dev is reached by port-forward, the other overlays have chosen their way in. */
const waysOf = (base: string): string[][] => {
  if (base === ".") return WAYS_IN;
  return base === "overlays/dev" ? [[]] : MORE_IN;
};

/** Those for which `isWanted` holds; it is told how many optional ones there are beside the chosen way in. */
const combinations = (
  isWanted: (components: readonly string[], optional: readonly string[], possible: number) => boolean,
): Combination[] =>
  Object.entries(INCLUDED).flatMap(([base, included]) =>
    waysOf(base).flatMap((way) => {
      const possible = optionalOver(base, [...included, ...way]);
      return SCALING.flatMap((scaling) =>
        [
          ...subsetsOf(possible).map((some) =>
            some.length === possible.length ? [...some, ...APART] : some,
          ),
          APART,
        ]
          .filter((optional) => isWanted([...way, ...scaling, ...optional], optional, possible.length))
          .map((optional) => ({ base, components: [...way, ...scaling, ...optional] })),
      );
    }),
  );

/** Every sensible one. */
export const allCombinations = (): Combination[] => combinations(() => true);

/** Each component alone, and each choice with all of the optional ones: in a fraction of the time. */
export const someCombinations = (): Combination[] =>
  combinations((components, optional, possible) => components.length <= 1 || optional.length > possible);
