/** Serves one route of the contract: verifies that the edge has signed the request, answers it, and counts it. */
import { isProblem, type Problem, problem } from "../contract/problem.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { type Answer, responder } from "./answer.ts";
import { deadlineExceeded, problemOfFailure, unavailable } from "./failure-problem.ts";
import type { OriginContext, RouteDependencies, RouteOperation } from "./route-operation.ts";
import { readAnswering } from "./serve-read.ts";
import { writeAnswering } from "./serve-write.ts";
import type { EdgeRequest } from "./verify-edge.ts";

export const serveRoute = (operation: RouteOperation, dependencies: RouteDependencies) => {
  const { name, route } = operation;
  const { verify, readiness, observe, defaultFreshS, log } = dependencies;
  const respond = responder(route, defaultFreshS);
  const answering = (route.method === "GET" ? readAnswering : writeAnswering)(operation, dependencies);

  const answerTo = async (c: OriginContext, edge: EdgeRequest): Promise<Answer | Problem> => {
    if (!readiness.isMigrated) return unavailable;
    if (!(edge.timeoutMs > 0)) return deadlineExceeded;
    try {
      return await answering(c, edge);
    } catch (error) {
      return problemOfFailure(error, { requestId: edge.requestId, route: name }, log);
    }
  };

  return async (c: OriginContext): Promise<Response> => {
    const beganAtMs = performance.now();
    const field = (fieldName: string): string | undefined => c.req.header(fieldName);
    const edge = verify({ method: c.req.method, url: c.req.url, field });
    if (edge === undefined) return problemResponse(problem("unsigned"), crypto.randomUUID());
    const answer = await answerTo(c, edge);
    const response = isProblem(answer)
      ? problemResponse(answer, edge.requestId)
      : respond(answer, edge.requestId);
    observe(route, response.status, performance.now() - beganAtMs);
    return response;
  };
};
