/** Merges the metrics of several processes. Counts of processes that have ended are kept. */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client";

export type ProcessReport = readonly MetricObjectWithValues<MetricValue<string>>[];

/** Types that only grow: if a total shrank, Prometheus would count all of it again. */
const CUMULATIVE: readonly unknown[] = ["counter", "histogram", "summary"];

// The types of prom-client declare `type` as a number, but it is a name.
const cumulative = (report: ProcessReport): ProcessReport =>
  report.filter(({ type }) => CUMULATIVE.includes(type));

const aggregate = (reports: readonly ProcessReport[]) =>
  AggregatorRegistry.aggregate(reports.map((report) => [...report]));

export const createTotals = () => {
  /** The last report of each live process. */
  const last = new Map<number, ProcessReport>();
  let ended: Promise<ProcessReport> = Promise.resolve([]);

  return {
    contentType: AggregatorRegistry.PROMETHEUS_CONTENT_TYPE,
    /**
     * Prometheus' text format.
     *
     * @param reports of all live processes, by a number that no other process has had; undefined if one did not respond
     */
    text: async (reports: ReadonlyMap<number, ProcessReport | undefined>): Promise<string> => {
      for (const [id, report] of reports) if (report !== undefined) last.set(id, report);
      const gone = [...last].filter(([id]) => !reports.has(id));
      for (const [id] of gone) last.delete(id);
      if (gone.length > 0) {
        const counted = gone.map(([, report]) => cumulative(report));
        ended = ended.then((before) => aggregate([before, ...counted]).getMetricsAsJSON());
      }
      // Copied before the wait: a concurrent scrape may change it.
      const live = [...last.values()];
      return await aggregate([...live, await ended]).metrics();
    },
  };
};
