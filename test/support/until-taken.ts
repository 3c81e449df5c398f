import { expect } from "vitest";

/** Sends until somebody takes it: an origin that is gone is still asked, and its share is answered 503. */
export const untilTaken = async (send: () => Promise<Response>): Promise<Response> => {
  let latest: Response | undefined;
  const statusNow = async (): Promise<number> => {
    latest = await send();
    return latest.status;
  };
  await expect.poll(statusNow, { timeout: 10_000, interval: 10 }).not.toBe(503);
  if (latest === undefined) throw new Error("never sent");
  return latest;
};
