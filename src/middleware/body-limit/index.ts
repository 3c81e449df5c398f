/** Reads the body whole, so that it can be signed and sent again: 413, 415 and 408 come from here. */
import { problem } from "../../contract/problem.ts";
import { isJson } from "../../lib/media-type.ts";
import { type Exchange, type Guard, type GuardedRequest, type GuardResult, routed } from "../exchange.ts";
import { announcedLength, readBody, type Signal } from "./read-body.ts";

const tooLarge = (maxBytes: number): GuardResult =>
  problem("content_too_large", {
    detail: maxBytes === 0 ? "This route takes no body." : `The body may hold at most ${maxBytes} bytes.`,
  });

/** A signal that aborts at a time. */
export interface Ending {
  readonly signal: Signal;
  /** It is waited for no more. */
  clear(): void;
}

export interface BodyGuardDependencies {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** @param ms from now; at once where it is not above 0 */
  readonly endingIn: (ms: number) => Ending;
}

export const bodyGuard = ({ now, endingIn }: BodyGuardDependencies): Guard => {
  const read = async (
    exchange: Exchange,
    body: NonNullable<GuardedRequest["body"]>,
  ): Promise<GuardResult> => {
    const { entry, deadlineAtMs } = routed(exchange);
    const { maxBodyBytes: maxBytes } = entry.route;
    const reader = body.getReader();
    const ending = endingIn(deadlineAtMs - now());
    const reading = await readBody(reader, maxBytes, ending.signal).finally(() => ending.clear());
    switch (reading.kind) {
      case "read":
        if (reading.bytes.byteLength > 0) exchange.body = reading.bytes;
        return undefined;
      case "too_large":
        return tooLarge(maxBytes);
      case "timed_out":
        return problem("request_timeout");
      case "broken":
        return problem("invalid_request", { detail: "The body ended before its announced length." });
    }
  };

  return (exchange) => {
    const { body, headers } = exchange.request;
    if (body === null) return undefined;
    const { maxBodyBytes: maxBytes, takesJson } = routed(exchange).entry.route;
    if (announcedLength(headers.get("content-length")) > maxBytes) return tooLarge(maxBytes);
    if (takesJson && !isJson(headers.get("content-type"))) {
      return problem("unsupported_media_type", {
        detail: "Send application/json.",
        headers: { accept: "application/json" },
      });
    }
    return read(exchange, body);
  };
};
