/** The port to the platform's cache of a place (https://developers.cloudflare.com/workers/runtime-apis/cache/). */
import { withTimeout } from "../../lib/async.ts";

export interface EdgeStore {
  match(key: string): Promise<Response | undefined>;
  put(key: string, entry: Response): Promise<void>;
}

/** Longer than this no request waits for it, milliseconds. */
const WAIT_MS = 100;

/** The entry, or undefined where there is none, or none in time. */
export const matchInTime = async (store: EdgeStore, key: string): Promise<Response | undefined> => {
  try {
    return await withTimeout(store.match(key), WAIT_MS);
  } catch {
    return undefined;
  }
};
