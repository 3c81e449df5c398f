/** Serves a write: once per Idempotency-Key, with its audit event, and with the invalidation of what it has changed. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { isProblem, type Problem, problem } from "../../contract/problem.ts";
import { maxBodyBytes } from "../../contract/route.ts";
import { writeTags } from "../../middleware/response-cache/invalidations.ts";
import type { OriginDependencies } from "../app.ts";
import type { Database } from "../db/database.ts";
import {
  type Answer,
  callHandler,
  type Operation,
  requestDeadline,
  responder,
  routePrincipal,
} from "../handler.ts";
import { dataAccess } from "../outbox/data-access.ts";
import type { OriginContext } from "./context.ts";
import type { Deadline } from "./deadline.ts";
import { problemOf, respondProblem } from "./error-handler.ts";
import { fingerprint, isReplayed, keyOf, runOnce } from "./idempotency.ts";
import { requestBody } from "./read-body.ts";
import { validate } from "./validate.ts";

const KEY_FIELD = "idempotency-key";
/** Longer than a statement outlives its request at the database, milliseconds. */
const LATE_COMMIT_MS = 2_000;

export const createWrite = (operation: Operation, dependencies: OriginDependencies) => {
  const { name, route } = operation;
  const { database: pool, signingKeys, deadlines, loadShedding, securityEvents, log, now } = dependencies;
  const maxBytes = maxBodyBytes(route);
  const takesKey = route.policy.retry === "with-key";
  const respond = responder(route, dependencies);

  const run = async (
    c: OriginContext,
    deadline: Deadline,
    invalidated: Set<string>,
  ): Promise<Answer | Problem> => {
    const principal = routePrincipal(route, c.get("identity"));
    const key = takesKey ? c.req.header(KEY_FIELD) : undefined;
    // A key makes the write happen once anyway. Without one, Redis is asked while the body arrives.
    const isFirst = key !== undefined || (c.get("edge")?.claim() ?? true);
    const body = await requestBody(c, maxBytes, deadline);
    if (!(body instanceof Uint8Array)) return body;
    const input = validate(route, c, body);
    if ("code" in input) return input;
    if (!(await isFirst)) return problem("unsigned");

    const access = securityEvents && dataAccess(operation, c, now());
    const inTransaction = async (transaction: Database): Promise<Answer | Problem> => {
      const call = { input, principal, deadline, invalidated };
      const answer = await callHandler(operation, call, transaction, signingKeys);
      if (access !== undefined && !isProblem(answer)) securityEvents?.inTransaction(transaction, access);
      return answer;
    };
    const answer = await loadShedding.run(name, route, deadline, async () => {
      const database = pool.within(deadline);
      if (key !== undefined && principal !== undefined) {
        const { path, query } = c.get("target");
        const keyed = {
          principal: principal.id,
          key: keyOf(key),
          isRetry: (c.get("edge")?.attempt ?? 1) > 1,
          fingerprint: fingerprint(route.method, path + query, body),
          invalidated,
        };
        return await runOnce(database, keyed, inTransaction);
      }
      return await (access === undefined ? inTransaction(database) : database.transaction(inTransaction));
    });
    if (access !== undefined && !isProblem(answer)) {
      // A replayed response is an access of its own: its write was recorded by the request that did it.
      if (isReplayed(answer)) securityEvents?.record(access);
      else securityEvents?.committed(access);
    }
    return answer;
  };

  /** Afterwards this origin serves nothing that is older than the write. */
  const invalidate = async (tags: readonly string[], hasFailed: boolean): Promise<void> => {
    dependencies.cache.invalidate(tags);
    // Statements sent before the request ended may still commit: responses made until then may be older.
    if (hasFailed) setTimeout(() => dependencies.cache.invalidate(tags), LATE_COMMIT_MS).unref();
    await dependencies.invalidateElsewhere?.(tags);
  };

  return async (c: OriginContext): Promise<Response> => {
    const deadline = requestDeadline(name, false, c);
    const invalidated = new Set<string>();
    let hasFailed = false;
    const answer = await deadlines
      .run(deadline, c, () => run(c, deadline, invalidated))
      .catch((error: unknown): Problem => {
        hasFailed = true;
        return problemOf(error, { requestId: c.get("requestId"), route: name }, log);
      });
    let headers = answer.headers;
    if (invalidated.size > 0) {
      // However the write ended: its transaction may have been committed.
      await invalidate([...invalidated], hasFailed);
      // The edge invalidates them too; clients do not see them.
      if (c.get("edge") !== undefined)
        headers = { ...headers, [internalHeaders.invalidated]: writeTags(invalidated) };
    }
    const complete = headers === undefined ? answer : { ...answer, headers };
    return isProblem(complete) ? await respondProblem(c, complete, signingKeys) : respond(c, complete);
  };
};
