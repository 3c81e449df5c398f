/**
 * Reads the body completely, so that it can be signed and sent again: 413, 415 and 408. hono/body-limit only
 * counts bytes: it neither limits the duration nor keeps the body.
 */
import type { Context, Next } from "hono";
import { createMiddleware } from "hono/factory";
import { type Problem, problem } from "../../contract/problem.ts";
import { timeoutSignal } from "../../lib/async.ts";
import { isJson } from "../../lib/http.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject } from "../problems/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";
import { readBody } from "./read-body.ts";

export interface BodyVariables {
  /** Undefined without a body, or if it is empty. */
  body: Uint8Array<ArrayBuffer> | undefined;
}

type Needs = ContextVariables & RouteVariables;
type Sets = BodyVariables & RejectionVariables;
type BodyContext = Context<{ Variables: Needs & Sets }>;

const tooLarge = (maxBytes: number): Problem =>
  problem("content_too_large", {
    detail: maxBytes === 0 ? "This route accepts no body." : `The body may have at most ${maxBytes} bytes.`,
  });

const notJson = problem("unsupported_media_type", {
  detail: "Send application/json.",
  headers: { accept: "application/json" },
});

/** RFC 9110 §15.5.16: a response to an encoding names what is accepted. */
const encoded = problem("unsupported_media_type", {
  detail: "Send the body without an encoding.",
  headers: { "accept-encoding": "identity" },
});

const isEncoded = (contentEncoding = "identity"): boolean =>
  contentEncoding.trim().toLowerCase() !== "identity";

const readWithin = async (
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  ms: number,
): Promise<Uint8Array<ArrayBuffer> | Problem> => {
  const timeout = timeoutSignal(ms);
  const reading = await readBody(body, maxBytes, timeout.signal).finally(timeout.clear);
  switch (reading.kind) {
    case "read":
      return reading.bytes;
    case "too_large":
      return tooLarge(maxBytes);
    case "timed_out":
      return problem("request_timeout");
    case "broken":
      return problem("invalid_request", { detail: "The body ended before its announced length." });
  }
};

export interface BodyLimitDeps {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The body of a request whose method usually has none. @default the runtime's */
  readonly bodyOf?: ((c: Context) => ReadableStream<Uint8Array> | null) | undefined;
}

export const bodyLimit = ({
  now,
  bodyOf = (c) => c.req.raw.body,
}: BodyLimitDeps): Middleware<Needs, Sets> => {
  const take = async (c: BodyContext, next: Next, body: ReadableStream<Uint8Array>) => {
    const { maxBodyBytes, takesJson } = c.get("route").route;
    if (takesJson && !isJson(c.req.header("content-type"))) return reject(c, "body", notJson);
    if (isEncoded(c.req.header("content-encoding"))) return reject(c, "body", encoded);
    const read = await readWithin(body, maxBodyBytes, c.get("deadlineAtMs") - now());
    if (!(read instanceof Uint8Array)) return reject(c, "body", read);
    if (read.byteLength > 0) c.set("body", read);
    return await next();
  };

  return createMiddleware<{ Variables: Needs & Sets }>(function bodyLimit(c, next) {
    const { maxBodyBytes } = c.get("route").route;
    const announced = c.req.header("content-length");
    const isAnnounced = announced !== undefined || c.req.header("transfer-encoding") !== undefined;
    // Accessing `body` creates a stream, a cost that a GET without a body can avoid.
    if (Number(announced ?? 0) > maxBodyBytes)
      return Promise.resolve(reject(c, "body", tooLarge(maxBodyBytes)));
    const body = isAnnounced || c.req.method !== "GET" ? bodyOf(c) : null;
    return body === null ? next() : take(c, next, body);
  });
};
