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

interface Choice {
  readonly base: string;
  readonly way: readonly string[];
  readonly scaling: readonly string[];
  readonly optional: readonly string[];
  /** Whether nothing more can be added. */
  readonly isAll: boolean;
}

const choices = (): Choice[] =>
  Object.entries(INCLUDED).flatMap(([base, included]) =>
    waysOf(base).flatMap((way) => {
      const possible = optionalOver(base, [...included, ...way]);
      return SCALING.flatMap((scaling) => [
        ...subsetsOf(possible).map((some) => {
          const isAll = some.length === possible.length;
          return { base, way, scaling, optional: isAll ? [...some, ...APART] : some, isAll };
        }),
        { base, way, scaling, optional: APART, isAll: false },
      ]);
    }),
  );

const combinationOf = ({ base, way, scaling, optional }: Choice): Combination => ({
  base,
  components: [...way, ...scaling, ...optional],
});

/** Every sensible one. */
export const allCombinations = (): Combination[] => choices().map(combinationOf);

/** Of each kustomization what it has, and with all of the optional ones each way in, and of k8s/ itself each scaling. */
const isRepresentative = ({ base, way, scaling, optional, isAll }: Choice): boolean =>
  way.length + scaling.length + optional.length === 0 ||
  (isAll && (scaling.length === 0 || (base === "." && way.length === 0)));

/** In a fraction of the time. */
export const someCombinations = (): Combination[] => choices().filter(isRepresentative).map(combinationOf);
