/** Answers requests that no middleware sees, because they are not valid HTTP, and reports them. */
import type { IncomingHttpHeaders } from "node:http";
import { problem } from "../../contract/problem.ts";
import { parseAddress, UNKNOWN_CLIENT, writeAddress } from "../../middleware/context/client.ts";
import { problemResponse } from "../../middleware/problems/index.ts";
import type { Occurrence } from "../../security-events/event.ts";
import { traceIdOf } from "../../telemetry/trace-context.ts";
import type { OnMalformed } from "../lifecycle/listen.ts";
import { lastOf } from "./context.ts";

interface MalformedOptions {
  readonly server: { readonly guards: "edge" | "origin"; readonly clientAddressHeader?: string | undefined };
  readonly record: (occurrence: Occurrence) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Behind an edge or a gateway, the peer is not the client. */
const clientOf = (
  { guards, clientAddressHeader }: MalformedOptions["server"],
  headers: IncomingHttpHeaders,
  peer: string | undefined,
): string => {
  const field = clientAddressHeader && headers[clientAddressHeader];
  const gateway = lastOf(typeof field === "string" ? field : undefined);
  const direct = guards === "origin" && clientAddressHeader === undefined ? peer : undefined;
  const address = parseAddress(gateway ?? direct ?? "");
  return address === undefined ? UNKNOWN_CLIENT : writeAddress(address);
};

export const answerMalformed =
  ({ server, record, now }: MalformedOptions): OnMalformed =>
  (code, { headers, address }) => {
    const requestId = crypto.randomUUID();
    record({
      atMs: now(),
      client: clientOf(server, headers, address),
      route: null,
      requestId,
      traceId: traceIdOf(requestId),
      type: "suspicious_activity",
      rule: "malformed_request",
      details: `malformed_request: ${code}`,
    });
    return problemResponse(problem(code), requestId);
  };
