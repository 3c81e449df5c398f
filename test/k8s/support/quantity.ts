/** Quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

/** In bytes, or in cores; NaN if it is invalid. */
export const quantity = (written: string | number | undefined): number => {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(String(written)) ?? [];
  return Number(amount) * (FACTORS[unit] ?? Number.NaN);
};

/** A count of pods, or a percentage, which the API rounds up. */
export const share = (value: string | number, replicas: number): number =>
  typeof value === "number" ? value : Math.ceil((replicas * Number.parseInt(value, 10)) / 100);
