/** Which components make sense together, in which kustomization. */
export interface Combination {
  /** A folder below k8s/; `.` is k8s/ itself. */
  readonly base: string;
  /** What is added to those that it has. */
  readonly components: readonly string[];
}

/** Of each row at most one: two of them would contradict each other, or do the same. */
const WAYS_IN = [[], ["gateway"], ["ingress"], ["cloudflared"]];
const SCALING = [[], ["custom-metrics"], ["keda"]];
const OPTIONAL = ["otel-collector", "prometheus-operator", "logs", "external-secrets"];

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

/** Every sensible one. dev is reached by port-forward, the other overlays have chosen their way in. */
export const allCombinations = (): Combination[] =>
  Object.entries(INCLUDED).flatMap(([base, included]) =>
    WAYS_IN.filter((way) => way.length === 0 || base === ".").flatMap((way) =>
      SCALING.flatMap((scaling) =>
        subsetsOf(optionalOver(base, included)).map((optional) => ({
          base,
          components: [...way, ...scaling, ...optional],
        })),
      ),
    ),
  );

/** Each component alone, and each choice with none of the optional ones and with all: in a fraction of the time. */
export const someCombinations = (): Combination[] =>
  allCombinations().filter(({ base, components }) => {
    const all = optionalOver(base, INCLUDED[base] ?? []);
    const optional = components.filter((name) => all.includes(name));
    return components.length <= 1 || optional.length === 0 || optional.length === all.length;
  });
