/** The samples of both tiers' metrics over the last seconds, with rates and quantiles. */

export type Labels = Readonly<Record<string, string>>;
export type Where = Labels | ((labels: Labels) => boolean);

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** By the metric's name. */
type Samples = ReadonlyMap<string, readonly Sample[]>;

interface Snapshot {
  readonly atMs: number;
  /** By the node that reports them. */
  readonly nodes: ReadonlyMap<string, Samples>;
}

const LINE = /^([a-z_]\w*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** @param text in Prometheus's format @param names the series that are kept */
export const parseSamples = (text: string, names: ReadonlySet<string>): Samples => {
  const found = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    const end = line.search(/[{ ]/);
    const name = line.slice(0, end);
    if (!names.has(name)) continue;
    const [, , labels = "", value] = LINE.exec(line) ?? [];
    const pairs = [...labels.matchAll(LABEL)].map(([, label = "", text = ""]) => [label, text] as const);
    const sample = { labels: Object.fromEntries(pairs), value: Number(value) };
    const others = found.get(name);
    if (others === undefined) found.set(name, [sample]);
    else others.push(sample);
  }
  return found;
};

const RATE_MS = 3_000;
const QUANTILE_MS = 10_000;

const matches = (labels: Labels, where: Where): boolean =>
  typeof where === "function"
    ? where(labels)
    : Object.entries(where).every(([name, value]) => (labels[name] ?? "") === value);

export class SampleHistory {
  /** The newest first. */
  #snapshots: readonly Snapshot[] = [];

  add(snapshot: Snapshot): void {
    const kept = this.#snapshots.filter(({ atMs }) => snapshot.atMs - atMs <= QUANTILE_MS + 1_000);
    this.#snapshots = [snapshot, ...kept];
  }

  clear(): void {
    this.#snapshots = [];
  }

  /** The present samples of a node. */
  all(node: string, name: string, where: Where = {}): readonly Sample[] {
    return this.#samplesOf(this.#snapshots[0], node, name, where);
  }

  /** The sum of the present values. */
  total(node: string, name: string, where: Where = {}): number {
    return this.#sum(this.#snapshots[0], node, name, where);
  }

  perSecond(node: string, name: string, where: Where = {}): number {
    const [now, then] = [this.#snapshots[0], this.#since(RATE_MS)];
    if (now === undefined || then === undefined) return 0;
    const increase = this.#sum(now, node, name, where) - this.#sum(then, node, name, where);
    // A process that was started again counts from 0.
    return Math.max(0, increase) / ((now.atMs - then.atMs) / 1_000);
  }

  /** Of a histogram, in milliseconds; null without requests. @param ratios such as 0.99 */
  quantiles(node: string, name: string, where: Where, ratios: readonly number[]): (number | null)[] {
    const [now, then] = [this.#snapshots[0], this.#since(QUANTILE_MS)];
    const counts = new Map<number, number>();
    for (const [snapshot, sign] of [
      [now, 1],
      [then, -1],
    ] as const)
      for (const { labels, value } of this.#samplesOf(snapshot, node, `${name}_bucket`, where)) {
        const bound = labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]);
        counts.set(bound, (counts.get(bound) ?? 0) + sign * value);
      }
    const buckets = [...counts].sort(([one], [other]) => one - other);
    return ratios.map((ratio) => quantileOf(buckets, ratio));
  }

  #since(ms: number): Snapshot | undefined {
    const nowMs = this.#snapshots[0]?.atMs ?? 0;
    const earlier = this.#snapshots.slice(1);
    return earlier.find(({ atMs }) => nowMs - atMs >= ms - 500) ?? earlier.at(-1);
  }

  #samplesOf(snapshot: Snapshot | undefined, node: string, name: string, where: Where): readonly Sample[] {
    const samples = snapshot?.nodes.get(node)?.get(name) ?? [];
    return samples.filter(({ labels }) => matches(labels, where));
  }

  #sum(snapshot: Snapshot | undefined, node: string, name: string, where: Where): number {
    return this.#samplesOf(snapshot, node, name, where).reduce((sum, { value }) => sum + value, 0);
  }
}

/** Linear within a bucket, as in Prometheus. @param buckets upper bounds in seconds, with cumulative counts */
const quantileOf = (buckets: readonly (readonly [number, number])[], ratio: number): number | null => {
  const rank = (buckets.at(-1)?.[1] ?? 0) * ratio;
  if (rank <= 0) return null;
  let [lowest, below] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank) {
      if (!Number.isFinite(bound)) return lowest * 1_000;
      return (lowest + ((bound - lowest) * (rank - below)) / Math.max(1e-9, count - below)) * 1_000;
    }
    [lowest, below] = [bound, count];
  }
  return lowest * 1_000;
};
