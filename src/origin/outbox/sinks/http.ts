/** Delivery to a sink over HTTP. */
import { type HttpTarget, isSuccess, postJson } from "../../http/post-json.ts";
import type { SendResult } from "./sink.ts";

const TIMEOUT_MS = 10_000;

/**
 * Client errors that are not caused by the events, such as a wrong token or address, or an overloaded server. An operator
 * can fix them, and the events are still needed then.
 */
const RETRYABLE: readonly number[] = [401, 403, 404, 405, 407, 408, 421, 425, 429];

/**
 * @param timeoutMs @default 10,000
 * @throws if the request failed and a retry may succeed
 */
export const post = async (target: HttpTarget, body: string, timeoutMs = TIMEOUT_MS): Promise<SendResult> => {
  const status = await postJson(target, body, timeoutMs);
  if (isSuccess(status)) return { kind: "accepted" };
  const reason = `the sink answered ${status}`;
  if (status >= 400 && status < 500 && !RETRYABLE.includes(status)) return { kind: "rejected", reason };
  throw new Error(reason);
};
