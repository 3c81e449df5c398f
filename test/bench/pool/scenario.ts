/** What happens to the replicas while a contestant is under load, and what is read from how it went. */
import type { Observation } from "./observation.ts";
import type { Mode } from "./replica.ts";

export interface Step {
  /** From the beginning of the load. */
  readonly afterMs: number;
  readonly replicas: readonly number[];
  readonly mode: Mode;
}

export interface Scenario {
  readonly title: string;
  /** Of how many replicas. */
  readonly replicas: number;
  readonly isWriting: boolean;
  readonly steps: readonly Step[];
  readonly lastsMs: number;
  /** Figures by the titles of their columns, in the order of the columns. */
  readonly read: (observation: Observation) => Readonly<Record<string, number>>;
}
