/** The body of a request that sends telemetry: JSON, as it is or with gzip, bounded. */
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { RefusedRequest } from "./answer.ts";

/** How many bytes a body may have, as it is sent and again when it has been inflated. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

const inflate = promisify(gunzip);

const tooLarge = (): RefusedRequest =>
  new RefusedRequest(413, `the body has more than ${MAX_BODY_BYTES} bytes: send less at a time`);

const requireJson = (contentType: string | undefined): void => {
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === "application/json") return;
  const sent = type === "" ? "no content-type" : type;
  throw new RefusedRequest(
    415,
    `${sent} is not taken here, and neither is protobuf: send OTLP as application/json (OTEL_EXPORTER_OTLP_PROTOCOL=http/json)`,
  );
};

const readBytes = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const inflated = async (bytes: Buffer): Promise<Buffer> => {
  try {
    return await inflate(bytes, { maxOutputLength: MAX_BODY_BYTES });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge();
    throw new RefusedRequest(400, "the body is not gzip, which its content-encoding says it is");
  }
};

/** @throws RefusedRequest */
export const readBody = async (request: IncomingMessage): Promise<string> => {
  requireJson(request.headers["content-type"]);
  const encoding = (request.headers["content-encoding"] ?? "identity").trim().toLowerCase();
  if (encoding !== "identity" && encoding !== "gzip") {
    throw new RefusedRequest(415, "only gzip is taken as a content-encoding", { "accept-encoding": "gzip" });
  }
  const bytes = await readBytes(request);
  return (encoding === "gzip" ? await inflated(bytes) : bytes).toString("utf8");
};
