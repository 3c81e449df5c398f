/** Reads a request's body as a whole, and compares it with the digest that the edge has signed. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Problem, problem } from "../../contract/problem.ts";
import { type BodyReading, readBody } from "../../middleware/body-limit/read-body.ts";
import type { OriginContext } from "./context.ts";
import type { Deadline } from "./deadline.ts";

const EMPTY = new Uint8Array(0);

/** The Content-Digest field (RFC 9530 §2) that the edge writes; undefined for an empty body. */
const digestOf = (bytes: Uint8Array): string | undefined =>
  bytes.byteLength === 0 ? undefined : `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;

/** Reads Node's own request: a web stream around it costs as much as the rest of the request. */
const readIncoming = (
  incoming: IncomingMessage,
  maxBytes: number,
  deadline: Deadline,
): Promise<BodyReading> => {
  const { promise, resolve } = Promise.withResolvers<BodyReading>();
  const chunks: Buffer[] = [];
  let length = 0;
  incoming.on("data", (chunk: Buffer) => {
    length += chunk.byteLength;
    if (length <= maxBytes) chunks.push(chunk);
    else resolve({ kind: "too_large" });
  });
  incoming.once("end", () => {
    const whole = Buffer.concat(chunks);
    resolve({ kind: "read", bytes: new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength) });
  });
  incoming.once("error", () => resolve({ kind: "broken" }));
  incoming.once("close", () => resolve({ kind: "broken" }));
  const removeListener = deadline.onEnd(() => resolve({ kind: "timed_out" }));
  void promise.then(removeListener);
  return promise;
};

/** @returns the body, or a problem if it is too large, late, cut off or not the signed one */
export const requestBody = async (
  c: OriginContext,
  maxBytes: number,
  deadline: Deadline,
): Promise<Uint8Array | Problem> => {
  if (c.get("edge") === undefined) return c.get("body") ?? EMPTY;
  const incoming = c.env?.incoming;
  const reading =
    incoming === undefined
      ? await readBody(c.req.raw.body, maxBytes, deadline.signal)
      : await readIncoming(incoming, maxBytes, deadline);
  switch (reading.kind) {
    case "too_large":
      return problem("content_too_large");
    case "timed_out":
      return problem("request_timeout");
    case "broken":
      return problem("invalid_request");
    case "read":
      return c.req.header("content-digest") === digestOf(reading.bytes) ? reading.bytes : problem("unsigned");
  }
};

/** The body as sent: the server's requests have none if their method is GET or HEAD. */
export const sentBody = (c: OriginContext): ReadableStream<Uint8Array> | null => {
  const incoming = c.env?.incoming;
  if (incoming === undefined || !["GET", "HEAD"].includes(c.req.method)) return c.req.raw.body;
  const listeners = new AbortController();
  const on = (event: string, listener: (value: Buffer) => void): void => {
    incoming.on(event, listener);
    listeners.signal.addEventListener("abort", () => incoming.off(event, listener));
  };
  return new ReadableStream({
    start: (controller) => {
      on("data", (chunk) => controller.enqueue(chunk));
      on("end", () => controller.close());
      on("close", () => {
        if (!incoming.readableEnded) controller.error(new Error("the client disconnected"));
      });
    },
    cancel: () => listeners.abort(),
  });
};
