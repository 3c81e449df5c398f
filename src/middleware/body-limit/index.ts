/**
 * Reads the body completely, so that it can be signed and sent again: 413, 415 and 408. hono/body-limit only counts: it
 * neither bounds how long a body may take nor keeps what was read.
 */
import { createMiddleware } from "hono/factory";
import { type Problem, problem } from "../../contract/problem.ts";
import { timeoutSignal } from "../../lib/async.ts";
import { isJson } from "../../lib/http.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject } from "../problems/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";
import { announcedLength, readBody } from "./read-body.ts";

export interface BodyVariables {
  /** Undefined if the request has no body, or an empty one. */
  body: Uint8Array<ArrayBuffer> | undefined;
}

export interface BodyLimitDeps {
  /** Epoch milliseconds. */
  readonly now: () => number;
}

type Variables = ContextVariables & RouteVariables & BodyVariables & RejectionVariables;

const tooLarge = (maxBytes: number): Problem =>
  problem("content_too_large", {
    detail: maxBytes === 0 ? "This route takes no body." : `The body may hold at most ${maxBytes} bytes.`,
  });

const notJson = problem("unsupported_media_type", {
  detail: "Send application/json.",
  headers: { accept: "application/json" },
});

const readWithin = async (
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  ms: number,
): Promise<Uint8Array<ArrayBuffer> | Problem> => {
  const timeout = timeoutSignal(ms);
  const reading = await readBody(body.getReader(), maxBytes, timeout.signal).finally(timeout.clear);
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

export const bodyLimit = ({
  now,
}: BodyLimitDeps): Middleware<ContextVariables & RouteVariables, BodyVariables & RejectionVariables> =>
  createMiddleware<{ Variables: Variables }>(async function bodyLimit(c, next) {
    const { maxBodyBytes, takesJson } = c.get("route").route;
    const announced = c.req.header("content-length") ?? null;
    const isAnnounced = announced !== null || c.req.header("transfer-encoding") !== undefined;
    // The stream is made on access, which a request without a body should not pay for.
    const body = isAnnounced || c.req.method !== "GET" ? c.req.raw.body : null;
    if (body === null) return await next();
    if (announcedLength(announced) > maxBodyBytes) return reject(c, "body", tooLarge(maxBodyBytes));
    if (takesJson && !isJson(c.req.header("content-type") ?? null)) return reject(c, "body", notJson);
    const read = await readWithin(body, maxBodyBytes, c.get("deadlineAtMs") - now());
    if (!(read instanceof Uint8Array)) return reject(c, "body", read);
    if (read.byteLength > 0) c.set("body", read);
    return await next();
  });
