/**
 * OTLP's names as Prometheus's (OpenTelemetry, "Prometheus and OpenMetrics Compatibility", "OTLP Metric points to
 * Prometheus"; units as in Prometheus's otlptranslator).
 */
import type { MetricKind } from "./otlp-metrics.ts";
import { type Attributes, plainText } from "./otlp-values.ts";

const UNITS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ d: "days", h: "hours", min: "minutes", s: "seconds" },
    ...{ ms: "milliseconds", us: "microseconds", ns: "nanoseconds" },
    ...{ By: "bytes", KiBy: "kibibytes", MiBy: "mebibytes", GiBy: "gibibytes", TiBy: "tibibytes" },
    ...{ KBy: "kilobytes", MBy: "megabytes", GBy: "gigabytes", TBy: "terabytes" },
    ...{ m: "meters", V: "volts", A: "amperes", J: "joules", W: "watts", g: "grams" },
    ...{ Cel: "celsius", Hz: "hertz", "%": "percent", "1": "" },
  }),
);

const PER_UNITS: ReadonlyMap<string, string> = new Map(
  Object.entries({ s: "second", m: "minute", h: "hour", d: "day", w: "week", mo: "month", y: "year" }),
);

const words = (text: string): string[] => text.split(/[^A-Za-z0-9:]+/).filter((word) => word !== "");

/** `By/s` is `bytes`, `per_second`; what stands in braces only says what is counted, and is no unit. */
const unitWords = (unit: string): string[] => {
  const [main = "", per = ""] = unit
    .replaceAll(/\{[^}]*\}/g, "")
    .split("/")
    .map((part) => part.trim());
  const mainWords = words(UNITS.get(main) ?? main);
  const perWords = words(PER_UNITS.get(per) ?? per);
  return perWords.length === 0 ? mainWords : [...mainWords, "per", ...perWords];
};

/** A metric's name with its unit and, for a counter, `_total`; undefined where nothing of it can be a name. */
export const metricName = (name: string, unit: string, kind: MetricKind): string | undefined => {
  const named = words(name);
  if (named.length === 0) return undefined;
  const suffix = unitWords(unit);
  const full = suffix.every((word) => named.includes(word)) ? named : [...named, ...suffix];
  const moved = (last: string): string[] => [...full.filter((word) => word !== last), last];
  const typed =
    kind === "counter" ? moved("total") : kind === "gauge" && unit === "1" ? moved("ratio") : full;
  const joined = typed.join("_");
  return /^\d/.test(joined) ? `_${joined}` : joined;
};

/** A label's name: nothing but letters, digits and single underscores, no digit first, none of Prometheus's own `__`. */
export const labelName = (key: string): string => {
  const name = key.replaceAll(/[^A-Za-z0-9]+/g, "_");
  if (name === "") return "_";
  return /^\d/.test(name) ? `key_${name}` : name;
};

/** Pairs of name and value, sorted by name. */
export type Labels = readonly (readonly [name: string, value: string])[];

/**
 * Labels of attributes. Keys that become the same name share its label: their values in the order of the keys, joined
 * by `;`. A name that is the receiver's own is given the prefix `exported_`, as Prometheus does it. An empty value is
 * left out: to Prometheus it is the same as none.
 */
export const labelsOf = (attributes: Attributes, own: ReadonlySet<string>): Labels => {
  const values = new Map<string, string[]>();
  for (const key of Object.keys(attributes).sort()) {
    const bare = labelName(key);
    const name = own.has(bare) ? `exported_${bare}` : bare;
    const value = attributes[key];
    const texts = values.get(name) ?? [];
    if (value !== undefined && value !== null && value !== "") texts.push(plainText(value));
    values.set(name, texts);
  }
  return [...values]
    .filter(([, texts]) => texts.length > 0)
    .map(([name, texts]) => [name, texts.join(";")] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1));
};
