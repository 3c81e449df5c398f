/** Publishing as background work, and at once after a change. */
import { logTransitions } from "../lifecycle/state-change-log.ts";
import type { OriginLog } from "../log.ts";

/** @returns whether anything had to be written */
export type Publish = () => Promise<boolean>;

/**
 * For publishing again and again; a failure is told when it begins and when it ends, not each time.
 *
 * @param what is published, in the plural, for the log: "the keys"
 */
export const publisher = (what: string, publish: Publish, log: OriginLog): (() => Promise<void>) => {
  const told = logTransitions(what, "published", log);
  return async () => {
    try {
      await publish();
      told.succeeded();
    } catch (error) {
      told.failed(error);
    }
  };
};

/** For a command that has changed something. Returns whether the edge can see the change already. */
export const publishChange = async (publish: Publish, print: (line: string) => void): Promise<boolean> => {
  try {
    await publish();
    return true;
  } catch (error) {
    print(`Redis cannot be reached (${String(error)}): an origin publishes the change as soon as it can.`);
    return false;
  }
};
