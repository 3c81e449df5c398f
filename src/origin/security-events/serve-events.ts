/** Takes what an edge has gathered: signed like every request, its body too. */

import { internalHeaders } from "../../contract/internal-headers.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import { problemResponse } from "../../middleware/problems/problem-response.ts";
import { MAX_BATCH_BYTES, readBatch } from "../../security-events/batch-codec.ts";
import type { AdmittedRequest } from "../admitted-request.ts";
import type { PostgresPool } from "../data/postgres.ts";
import type { Deadlines } from "../deadlines.ts";
import { problemOfFailure, unavailable } from "../failure-problem.ts";
import { inScope } from "../in-scope.ts";
import type { Readiness } from "../lifecycle/readiness.ts";
import type { OriginLog } from "../log.ts";
import { RequestScope } from "../request-scope.ts";
import type { OriginContext } from "../route-operation.ts";
import { signedBody } from "../signed-body.ts";
import type { SecurityEvents } from "./security-events.ts";

export interface ServeEventsDependencies {
  readonly database: PostgresPool;
  readonly readiness: Readiness;
  readonly deadlines: Deadlines;
  readonly log: OriginLog;
  readonly now: () => number;
}

const NAME = "edge_events";

export const serveEvents = (events: SecurityEvents, dependencies: ServeEventsDependencies) => {
  const { database, readiness, deadlines, log, now } = dependencies;

  const take = async (
    c: OriginContext,
    admitted: AdmittedRequest,
    scope: RequestScope,
  ): Promise<Problem | undefined> => {
    // What was dropped would be counted twice.
    const isFirst = admitted.claim();
    const source = {
      incoming: c.env?.incoming,
      stream: () => c.req.raw.body,
      digest: c.req.header("content-digest"),
    };
    const body = await signedBody(source, MAX_BATCH_BYTES, scope);
    if (!(body instanceof Uint8Array)) return body;
    const batch = readBatch(new TextDecoder().decode(body));
    if (batch === undefined) return problem("invalid_request");
    if (!(await isFirst)) return problem("unsigned");
    await events.ingest(batch, database.within(scope));
    return undefined;
  };

  return async (c: OriginContext, admitted: AdmittedRequest): Promise<Response> => {
    const { requestId, timeoutMs } = admitted;
    if (!readiness.isMigrated) return problemResponse(unavailable, requestId);
    const scope = new RequestScope(NAME, now() + timeoutMs, false);
    try {
      const refused = await inScope(deadlines, scope, c, () => take(c, admitted, scope));
      if (refused !== undefined) return problemResponse(refused, requestId);
      return new Response(null, { status: 204, headers: { [internalHeaders.requestId]: requestId } });
    } catch (error) {
      return problemResponse(problemOfFailure(error, { requestId }, log), requestId);
    }
  };
};
