/** Reads the body whole, so that it can be signed and sent again: 413, 415 and 408 come from here. */
import { problem } from "../../contract/problem.ts";
import { isJson } from "../http/media-type.ts";
import { announcedLength, readBody, type Signal } from "../http/read-body.ts";
import { type Guard, type GuardResult, routed } from "./exchange.ts";

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

export const bodyGuard =
  ({ now, endingIn }: BodyGuardDependencies): Guard =>
  async (exchange) => {
    const { request } = exchange;
    const { entry, deadlineAtMs } = routed(exchange);
    if (request.body === null) return undefined;
    const { maxBodyBytes: maxBytes, takesJson } = entry.route;
    if (announcedLength(request.headers.get("content-length")) > maxBytes) return tooLarge(maxBytes);
    if (takesJson && !isJson(request.headers.get("content-type"))) {
      return problem("unsupported_media_type", {
        detail: "Send application/json.",
        headers: { accept: "application/json" },
      });
    }
    const ending = endingIn(deadlineAtMs - now());
    const reading = await readBody(request.body.getReader(), maxBytes, ending.signal);
    ending.clear();
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
