/** The metrics of several processes as one: what a process has counted stays counted when it is gone. */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client";

export type ProcessReport = readonly MetricObjectWithValues<MetricValue<string>>[];

export interface Totals {
  readonly contentType: string;
  /**
   * @param reports one of every process that lives, by a number that no other process has had; undefined where
   *   it does not answer
   * @returns Prometheus' text
   */
  text(reports: ReadonlyMap<number, ProcessReport | undefined>): Promise<string>;
}

/** What only grows: were it to shrink, Prometheus would take the whole rest for new. */
const GROWING: readonly unknown[] = ["counter", "histogram", "summary"];

const growing = (report: ProcessReport): ProcessReport =>
  // prom-client writes a type's name, whatever its own types say.
  report.filter(({ type }) => GROWING.includes(type));

const aggregate = (reports: readonly ProcessReport[]) =>
  AggregatorRegistry.aggregate(reports.map((report) => [...report]));

export const createTotals = (): Totals => {
  /** What each process has answered last. */
  const last = new Map<number, ProcessReport>();
  let ofGone: Promise<ProcessReport> = Promise.resolve([]);

  const forget = (gone: readonly (readonly [number, ProcessReport])[]): void => {
    if (gone.length === 0) return;
    for (const [process] of gone) last.delete(process);
    const counted = gone.map(([, report]) => growing(report));
    ofGone = ofGone.then((before) => aggregate([before, ...counted]).getMetricsAsJSON());
  };

  return {
    contentType: AggregatorRegistry.PROMETHEUS_CONTENT_TYPE,
    text: async (reports) => {
      for (const [process, report] of reports) if (report !== undefined) last.set(process, report);
      forget([...last].filter(([process]) => !reports.has(process)));
      // Two may ask at a time: each gets what is known now.
      const living = [...last.values()];
      return await aggregate([...living, await ofGone]).metrics();
    },
  };
};
