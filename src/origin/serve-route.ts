/** Serves one route of the contract: verifies that the edge has signed the request, and answers it. */

import { internalHeaders } from "../contract/internal-headers.ts";
import { isProblem, type Problem, statusOf } from "../contract/problem.ts";
import { problemResponse } from "../middleware/problems/problem-response.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import { type Answer, responder } from "./answer.ts";
import { withFields } from "./answer-fields.ts";
import { deadlineExceeded, notBegun, problemOfFailure, RETRY_AFTER_S } from "./failure-problem.ts";
import { proofOf } from "./proof.ts";
import type { OriginContext, RouteDependencies, RouteOperation } from "./route-operation.ts";
import { serveAdmitted } from "./serve-admitted.ts";
import { readAnswering } from "./serve-read.ts";
import { writeAnswering } from "./serve-write.ts";

export const serveRoute = (operation: RouteOperation, dependencies: RouteDependencies) => {
  const { name, route } = operation;
  const { admit, readiness, telemetry, defaultFreshS, signingKeys, log } = dependencies;
  const respond = responder(route, defaultFreshS);
  const answering = (route.method === "GET" ? readAnswering : writeAnswering)(operation, dependencies);

  const answerTo = async (c: OriginContext, admitted: AdmittedRequest): Promise<Answer | Problem> => {
    if (!readiness.isMigrated) return notBegun(RETRY_AFTER_S);
    if (!(admitted.timeoutMs > 0)) return deadlineExceeded;
    try {
      return await answering(c, admitted);
    } catch (error) {
      return problemOfFailure(error, { requestId: admitted.requestId, route: name }, log);
    }
  };

  /** Where nothing was done, signed; whoever is not the edge is told nothing of it. */
  const proven = async (answer: Problem, c: OriginContext, admitted: AdmittedRequest): Promise<Problem> => {
    const { [internalHeaders.notExecuted]: claim, ...headers } = answer.headers ?? {};
    if (claim === undefined) return answer;
    if (admitted.guardedBody !== undefined) return { ...answer, headers };
    const field = (fieldName: string): string | undefined => c.req.header(fieldName);
    const undone = { method: c.req.method, field, isOnlyHere: admitted.isOnlyHere };
    return { ...answer, headers: { ...headers, ...(await proofOf(signingKeys, statusOf(answer), undone)) } };
  };

  return serveAdmitted(
    () => route,
    admit,
    telemetry,
    async (c, admitted) => {
      const { fields, requestId } = admitted;
      const answer = await answerTo(c, admitted);
      return isProblem(answer)
        ? problemResponse(withFields(await proven(answer, c, admitted), fields), requestId)
        : respond(withFields(answer, fields), requestId);
    },
  );
};
