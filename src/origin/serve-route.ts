/** Serves one route of the contract: verifies that the edge has signed the request, answers it, and counts it. */
import { isProblem, type Problem, statusOf } from "../contract/problem.ts";
import { tierHeaders } from "../contract/tier-headers.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { signNotExecuted } from "../core/signature/not-executed.ts";
import { type Answer, responder } from "./answer.ts";
import { deadlineExceeded, notBegun, problemOfFailure, RETRY_AFTER_S } from "./failure-problem.ts";
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
  const proven = (answer: Problem, field: (name: string) => string | undefined): Problem => {
    if (answer.headers?.[tierHeaders.notExecuted] === undefined) return answer;
    const proof = signNotExecuted(signingKeys, statusOf(answer), field);
    return { ...answer, headers: { ...answer.headers, ...proof } };
  };

  return async (c: OriginContext): Promise<Response> => {
    const beganAtMs = performance.now();
    const field = (fieldName: string): string | undefined => c.req.header(fieldName);
    const edge = verify({ method: c.req.method, url: c.req.url, field });
    if (isUnsigned(edge)) return unsigned(edge, signingKeys, field);
    const answer = await answerTo(c, edge);
    const response = isProblem(answer)
      ? problemResponse(proven(answer, field), edge.requestId)
      : respond(answer, edge.requestId);
    observe(route, response.status, performance.now() - beganAtMs);
    return response;
  };
};
