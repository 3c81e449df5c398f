/**
 * A histogram among prom-client's metrics. It counts by core's series, where an observation is an addition: prom-client
 * looks a series up anew for each, by a text of all its labels.
 */
import { Histogram, type Registry } from "prom-client";
import { HistogramSeries } from "../../telemetry/metrics/instruments.ts";
import { createSeriesIndex } from "../../telemetry/metrics/series-index.ts";
import type { HistogramPoint, LabelValue } from "../../telemetry/metrics/snapshot.ts";

export interface HistogramOptions<Labels extends readonly string[]> {
  readonly name: string;
  readonly help: string;
  /** One whose value is empty is left out, which to Prometheus is the same. */
  readonly labels: Labels;
  /** Upper ends of the buckets, rising, in the unit that the name ends with. */
  readonly bounds: readonly number[];
  readonly registry: Registry;
}

/** @param values one for each label, in their order */
export type ObserveValue<Labels extends readonly string[]> = (
  value: number,
  ...values: { [Index in keyof Labels]: LabelValue }
) => void;

type Told = Awaited<ReturnType<Histogram["get"]>>;
type ToldValue = Told["values"][number];

/** More than routes and statuses, or operations and errors, can make; what finds no room is one more series. */
const MAX_SERIES = 2_000;

/** A series without room has an attribute of OpenTelemetry's instead of labels. */
const labelsOf = ({ attributes }: HistogramPoint): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name.replaceAll(".", "_"),
      typeof value === "boolean" ? String(value) : value,
    ]),
  );

/** As Prometheus has them: each bucket counts what is in those before it, too. */
const valuesOf = (name: string, bounds: readonly number[], point: HistogramPoint): readonly ToldValue[] => {
  const labels = labelsOf(point);
  let below = 0;
  const buckets = bounds.map((le, index): ToldValue => {
    below += point.bucketCounts[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: point.count },
    { metricName: `${name}_sum`, labels, value: point.sum },
    { metricName: `${name}_count`, labels, value: point.count },
  ];
};

class ToldHistogram extends Histogram {
  readonly #tell: () => Promise<Told>;

  constructor(configuration: ConstructorParameters<typeof Histogram>[0], tell: () => Promise<Told>) {
    super(configuration);
    this.#tell = tell;
  }

  override get(): Promise<Told> {
    return this.#tell();
  }

  /** What prom-client's registry calls for its text, whatever its types say. */
  getForPromString(): Promise<Told> {
    return this.#tell();
  }
}

/** @returns observes a value; one that is no finite number from 0 on changes nothing */
export const createHistogram = <const Labels extends readonly string[]>({
  name,
  help,
  labels,
  bounds,
  registry,
}: HistogramOptions<Labels>): ObserveValue<Labels> => {
  const changes = { any: false };
  const index = createSeriesIndex(
    labels,
    { left: MAX_SERIES },
    (attributes) => new HistogramSeries(attributes, 0, changes, bounds),
  );
  const configuration = { name, help, labelNames: [...labels], buckets: [...bounds] };
  /** Never observes anything: it knows how prom-client calls its kind. */
  const empty = new Histogram({ ...configuration, registers: [] });
  new ToldHistogram({ ...configuration, registers: [registry] }, async () => ({
    ...(await empty.get()),
    values: index.all().flatMap((series) => valuesOf(name, bounds, series.point())),
  }));
  return (value, ...values) => index.find(values).record(value);
};
