/** The port to the platform's cache of a place (https://developers.cloudflare.com/workers/runtime-apis/cache/). */

export interface EdgeStore {
  match(key: string): Promise<Response | undefined>;
  put(key: string, entry: Response): Promise<void>;
}

/** Longer than this no request waits for it, milliseconds. */
const WAIT_MS = 100;

/** The entry, or undefined where there is none, or none in time. */
export const matchInTime = async (store: EdgeStore, key: string): Promise<Response | undefined> => {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), WAIT_MS);
  try {
    return await Promise.race([store.match(key), late.promise]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
};
