/** What a benchmark is to the command line. */

export interface BenchOptions {
  /** Few and short rounds: whether it works, and roughly how fast. */
  readonly isQuick: boolean;
  /** Aborted when the user wants no more. */
  readonly signal: AbortSignal;
  /** Told, in one line each, how far it is. */
  readonly onProgress: (line: string) => void;
}

export interface BenchOutcome {
  /** The figures that goals are set for; null of what could not be measured. */
  readonly figures: Readonly<Record<string, number | null>>;
  /** Everything that was measured, for people. */
  readonly report: string;
}

export type Bench = (options: BenchOptions) => Promise<BenchOutcome>;
