/** The page's parts together: what it reads, its switches, its tour and its requests. */
import type { Faults } from "../faults/faults.ts";
import type { Load } from "../faults/load.ts";
import { createCollector, type Reading, type WatchedSystem } from "./collect.ts";
import type { createRequests } from "./requests.ts";
import type { Page } from "./routes.ts";
import type { createTour } from "./tour.ts";
import { viewOf } from "./view.ts";

interface PageOptions {
  readonly system: WatchedSystem;
  readonly faults: Faults;
  readonly load: Load;
  readonly tour: ReturnType<typeof createTour>;
  readonly requests: ReturnType<typeof createRequests>;
  readonly examplePath: string;
}

export const createPage = ({
  system,
  faults,
  load,
  tour,
  requests,
  examplePath,
}: PageOptions): Page & { stop(): Promise<void> } => {
  const shown = (reading: Reading) => ({
    ...viewOf(reading, system),
    faults: faults.list(),
    load: { requestsPerSecond: load.requestsPerSecond },
    examplePath,
  });
  const collector = createCollector(system, (reading) => tour.look(shown(reading)));
  const clearFaults = async (): Promise<void> => {
    load.set(0);
    await faults.clear();
  };
  return {
    state: async () => {
      const state = shown(await collector.read());
      return { ...state, tour: tour.steps(state.faults.map(({ name }) => name)) };
    },
    switches: () => ({ faults: faults.list(), load: { requestsPerSecond: load.requestsPerSecond } }),
    setFault: faults.set,
    clearFaults,
    setLoad: load.set,
    ...requests,
    stop: async () => {
      await clearFaults().finally(collector.stop);
    },
  };
};
