/** One request to something other than an origin, and its whole answer: bounded in time and size. */
import { readBody } from "../middleware/body-limit/read-body.ts";

export interface FetchTextOptions {
  /** In messages, such as "Redis". */
  readonly whose: string;
  readonly fetch: typeof globalThis.fetch;
  /** From sending the request until the whole answer is there, milliseconds. */
  readonly timeoutMs: number;
  /** Of an answer no more is read, bytes. */
  readonly maxBytes: number;
}

export interface TextAnswer {
  readonly status: number;
  readonly text: string;
}

/** @throws where it could not be heard whole, or not in time */
export const fetchText = async (
  url: string,
  init: Omit<RequestInit, "signal" | "redirect">,
  { whose, fetch, timeoutMs, maxBytes }: FetchTextOptions,
): Promise<TextAnswer> => {
  // Not AbortSignal.timeout: what listens to it is a burden to workerd's garbage collection for as long as it lives.
  const ending = new AbortController();
  const timer = setTimeout(
    () => ending.abort(new Error(`${whose} did not answer in time: ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    const response = await fetch(url, { ...init, redirect: "manual", signal: ending.signal });
    const reading = await readBody(response.body?.getReader() ?? null, maxBytes, ending.signal);
    switch (reading.kind) {
      case "read":
        return { status: response.status, text: new TextDecoder().decode(reading.bytes) };
      case "too_large":
        throw new Error(`${whose}'s answer is longer than ${maxBytes} bytes`);
      case "timed_out":
        throw new Error(`${whose}'s answer was not whole in time`);
      case "broken":
        throw new Error(`${whose}'s answer broke off`);
    }
  } finally {
    clearTimeout(timer);
  }
};
