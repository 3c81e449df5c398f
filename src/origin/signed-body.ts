/** Reads a request's body whole, and makes sure that it is the one that was signed. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Problem, problem } from "../contract/problem.ts";
import { type BodyReading, readBody } from "../middleware/body-limit/read-body.ts";
import type { RequestScope } from "./request-scope.ts";

/** The Content-Digest field (RFC 9530 §2), as the edge writes it; undefined for an empty body. */
const digestOf = (bytes: Uint8Array): string | undefined =>
  bytes.byteLength === 0 ? undefined : `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;

/** From Node's own request: a web stream around it costs as much as the rest of the request. */
const readIncoming = (
  incoming: IncomingMessage,
  maxBytes: number,
  scope: RequestScope,
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
  const takeBack = scope.onEnd(() => resolve({ kind: "timed_out" }));
  void promise.then(takeBack);
  return promise;
};

/** What a request's body is read from: Node's request where there is one. */
export interface BodySource {
  readonly incoming: IncomingMessage | undefined;
  readonly stream: () => ReadableStream<Uint8Array> | null;
  /** The Content-Digest field. */
  readonly digest: string | undefined;
}

/** The body that was signed, or the refusal of one that was not. */
export const signedBody = async (
  { incoming, stream, digest }: BodySource,
  maxBytes: number,
  scope: RequestScope,
): Promise<Uint8Array | Problem> => {
  const reading =
    incoming === undefined
      ? await readBody(stream()?.getReader() ?? null, maxBytes, scope.signal)
      : await readIncoming(incoming, maxBytes, scope);
  switch (reading.kind) {
    case "too_large":
      return problem("content_too_large");
    case "timed_out":
      return problem("request_timeout");
    case "broken":
      return problem("invalid_request");
    case "read":
      return digest === digestOf(reading.bytes) ? reading.bytes : problem("unsigned");
  }
};
