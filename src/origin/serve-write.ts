/** Serves a write: once where it has a key, and with an end to what it has made old. */

import { internalHeaders } from "../contract/internal-headers.ts";
import { type Problem, problem } from "../contract/problem.ts";
import { maxBodyBytes } from "../contract/route.ts";
import { writeTags } from "../middleware/response-cache/tags.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { Answer } from "./answer.ts";
import { problemOfFailure } from "./failure-problem.ts";
import { fingerprint, keyOf } from "./idempotency/fingerprint.ts";
import { serveOnce } from "./idempotency/serve-once.ts";
import { inScope } from "./in-scope.ts";
import { readInput } from "./read-input.ts";
import { RequestScope } from "./request-scope.ts";
import {
  type Answering,
  authorise,
  type OriginContext,
  principalOf,
  type RouteDependencies,
  type RouteOperation,
} from "./route-operation.ts";
import { servicesFor } from "./route-services.ts";
import { dataAccess } from "./security-events/data-access.ts";
import { recordedWrite } from "./security-events/recorded-write.ts";
import { type BodySource, signedBody } from "./signed-body.ts";
import { targetOf } from "./verify-edge.ts";

const KEY_FIELD = "idempotency-key";
/** Longer than a statement outlives its request at the database, milliseconds. */
const LATE_COMMIT_MS = 1_000;

const bodyOf = (c: OriginContext): BodySource => ({
  incoming: c.env?.incoming,
  stream: () => c.req.raw.body,
  digest: c.req.header("content-digest"),
});

export const writeAnswering = (
  { name, route, handler }: RouteOperation,
  dependencies: RouteDependencies,
): Answering => {
  const { deadlines, loadShedding, cache, tellOthers, securityEvents, log, now } = dependencies;
  const maxBytes = maxBodyBytes(route);
  const takesKey = route.policy.retry === "with-key";

  const handle = async (
    c: OriginContext,
    admitted: AdmittedRequest,
    scope: RequestScope,
    written: Set<string>,
  ): Promise<Answer | Problem> => {
    const principal = principalOf(route, admitted);
    const refused = authorise(route, principal);
    if (refused !== undefined) return refused;
    const key = takesKey ? c.req.header(KEY_FIELD) : undefined;
    // A write with a key is done once anyway; every other one asks while its body arrives.
    const isFirst = key !== undefined ? true : admitted.claim();
    const body = admitted.guardedBody ?? (await signedBody(bodyOf(c), maxBytes, scope));
    if (!(body instanceof Uint8Array)) return body;
    const { path, query } = targetOf(c.req.url);
    const header = (field: string): string | undefined => c.req.header(field);
    const input = readInput(route, {
      params: c.req.param(),
      query: new URLSearchParams(query),
      header,
      body,
    });
    if ("code" in input) return input;
    if (!(await isFirst)) return problem("unsigned");
    const services = servicesFor({ name, scope, principal, query: input.query, written }, dependencies);
    const access = dataAccess({ name, route, now }, c, admitted, principal);
    const recorded = recordedWrite(handler, access, securityEvents);
    const answer = await loadShedding.run(name, route, scope, async () => {
      if (key === undefined || principal === undefined)
        return await recorded.handle({ ...input, principal }, services);
      const keyed = {
        principal: principal.id,
        key: keyOf(key),
        isSentAgain: admitted.isSentAgain,
        fingerprint: fingerprint({ method: route.method, target: path + query, body }),
        written,
      };
      return await serveOnce(services.database, keyed, async (transaction) =>
        recorded.within(transaction, { ...input, principal }, services),
      );
    });
    recorded.answered(answer);
    return answer;
  };

  /** Of this origin nothing is served any more that is older than the write. */
  const invalidate = async (written: Set<string>, hasFailed: boolean): Promise<void> => {
    if (written.size === 0) return;
    const tags = [...written];
    cache.invalidate(tags);
    // What was sent before the request ended may still be done: what is read until then may be older.
    if (hasFailed) setTimeout(() => cache.invalidate(tags), LATE_COMMIT_MS).unref();
    await tellOthers?.(tags);
  };

  return async (c, admitted) => {
    const scope = new RequestScope(name, now() + admitted.timeoutMs, false, admitted.requestId);
    const written = new Set<string>();
    let hasFailed = false;
    const answer = await inScope(deadlines, scope, c, () => handle(c, admitted, scope, written)).catch(
      (error: unknown): Problem => {
        hasFailed = true;
        return problemOfFailure(error, { requestId: admitted.requestId, route: name }, log);
      },
    );
    // However it has ended: its transaction may have been committed.
    await invalidate(written, hasFailed);
    // What it has made old is the edge's business, and no client's.
    if (written.size === 0 || admitted.guardedBody !== undefined) return answer;
    return { ...answer, headers: { ...answer.headers, [internalHeaders.invalidated]: writeTags(written) } };
  };
};
