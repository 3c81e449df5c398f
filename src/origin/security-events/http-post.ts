/** One POST to a sink, and what its answer means. */
import { type HttpTarget, isTaken, postJson } from "../http/post-json.ts";
import type { Reception } from "./sink.ts";

/** No sink is waited for longer, milliseconds. */
export const HTTP_TIMEOUT_MS = 10_000;

/**
 * Client errors that say nothing about the events: a wrong token, a wrong address, a server that has too much to do.
 * An operator can mend what causes them, and the events are still wanted then.
 */
const NOT_ABOUT_EVENTS: readonly number[] = [401, 403, 404, 405, 407, 408, 421, 425, 429];

const isRefusal = (status: number): boolean =>
  status >= 400 && status < 500 && !NOT_ABOUT_EVENTS.includes(status);

/**
 * @param timeoutMs @default 10,000
 * @throws where it was not taken, and may be another time
 */
export const post = async (
  target: HttpTarget,
  body: string,
  timeoutMs = HTTP_TIMEOUT_MS,
): Promise<Reception> => {
  const status = await postJson(target, body, timeoutMs);
  if (isTaken(status)) return { kind: "taken" };
  const reason = `it answered ${status}`;
  if (isRefusal(status)) return { kind: "refused", reason };
  throw new Error(reason);
};
