/** Serves one route of the contract: verifies that the edge has signed the request, answers it, and counts it. */
import { isProblem, type Problem, statusOf } from "../contract/problem.ts";
import { tierHeaders } from "../contract/tier-headers.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { type Answer, responder } from "./answer.ts";
import { deadlineExceeded, notBegun, problemOfFailure, RETRY_AFTER_S } from "./failure-problem.ts";
import { proofOf, type Undone } from "./proof.ts";
import type { OriginContext, RouteDependencies, RouteOperation } from "./route-operation.ts";
import { readAnswering } from "./serve-read.ts";
import { writeAnswering } from "./serve-write.ts";
import { unsigned } from "./unsigned.ts";
import { type EdgeRequest, isUnsigned } from "./verify-edge.ts";

export const serveRoute = (operation: RouteOperation, dependencies: RouteDependencies) => {
  const { name, route } = operation;
  const { verify, readiness, observe, defaultFreshS, signingKeys, log } = dependencies;
  const respond = responder(route, defaultFreshS);
  const answering = (route.method === "GET" ? readAnswering : writeAnswering)(operation, dependencies);

  const answerTo = async (c: OriginContext, edge: EdgeRequest): Promise<Answer | Problem> => {
    if (!readiness.isMigrated) return notBegun(RETRY_AFTER_S);
    if (!(edge.timeoutMs > 0)) return deadlineExceeded;
    try {
      return await answering(c, edge);
    } catch (error) {
      return problemOfFailure(error, { requestId: edge.requestId, route: name }, log);
    }
  };

  /** Where nothing was done, signed. */
  const proven = async (answer: Problem, undone: Undone): Promise<Problem> => {
    const { [tierHeaders.notExecuted]: claim, ...headers } = answer.headers ?? {};
    if (claim === undefined) return answer;
    return { ...answer, headers: { ...headers, ...(await proofOf(signingKeys, statusOf(answer), undone)) } };
  };

  return async (c: OriginContext): Promise<Response> => {
    const beganAtMs = performance.now();
    const field = (fieldName: string): string | undefined => c.req.header(fieldName);
    const { method, url } = c.req;
    const edge = verify({ method, url, field });
    if (isUnsigned(edge)) return await unsigned(edge, signingKeys, { method, field });
    const answer = await answerTo(c, edge);
    const response = isProblem(answer)
      ? problemResponse(await proven(answer, { method, field, isOnlyHere: edge.isOnlyHere }), edge.requestId)
      : respond(answer, edge.requestId);
    observe(route, response.status, performance.now() - beganAtMs);
    return response;
  };
};
