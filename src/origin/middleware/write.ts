/** Serves a write: once per Idempotency-Key, with its audit event and its cache invalidations. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { isProblem, type Problem, problem } from "../../contract/problem.ts";
import { maxBodyBytes } from "../../contract/route.ts";
import { writeTags } from "../../middleware/response-cache/invalidations.ts";
import type { OriginDependencies } from "../app.ts";
import type { Database, Transaction } from "../db/database.ts";
import {
  type Answer,
  callHandler,
  type Operation,
  requestDeadline,
  responder,
  routePrincipal,
} from "../handler.ts";
import { dataAccess } from "../outbox/data-access.ts";
import type { SecurityEvents } from "../outbox/security-events.ts";
import type { OriginContext } from "./context.ts";
import type { Deadline } from "./deadline.ts";
import { problemOf, respondProblem } from "./error-handler.ts";
import { fingerprint, isReplayed, keyOf, runOnce } from "./idempotency.ts";
import { requestBody } from "./read-body.ts";
import { validate } from "./validate.ts";

const KEY_FIELD = "idempotency-key";
const TAKEN = "Another instance has received this request, and may have executed it.";
/** Longer than a statement can outlive its request in the database, milliseconds. */
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
    // With a key, the write happens once anyway. Without one, Redis is asked while the body arrives.
    const nonceState = key === undefined ? c.get("edge")?.nonceState() : undefined;
    const body = await requestBody(c, maxBytes, deadline);
    if (!(body instanceof Uint8Array)) return body;
    const input = validate(route, c, body);
    if ("code" in input) return input;
    if ((await nonceState) === "taken") return problem("outcome_unknown", { detail: TAKEN });

    const access = dataAccess(operation, c, now());
    const handle = (database: Database) =>
      callHandler(operation, { input, principal, deadline, invalidated }, database, dependencies);
    let audit: ReturnType<SecurityEvents["audit"]> | undefined;
    const inTransaction = async (transaction: Transaction): Promise<Answer | Problem> => {
      audit = access && securityEvents.audit(transaction, access);
      const answer = await handle(audit?.database ?? transaction);
      if (!isProblem(answer)) audit?.store();
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
      return await (access === undefined ? handle(database) : database.transaction(inTransaction));
    });
    if (access !== undefined && !isProblem(answer)) {
      // A replay is an access of its own; the original request has recorded the write.
      if (isReplayed(answer)) securityEvents.record(access);
      else void audit?.committed();
    }
    return answer;
  };

  /** Afterwards this origin serves no response that is older than the write. */
  const invalidate = async (tags: readonly string[], hasFailed: boolean): Promise<void> => {
    dependencies.cache.invalidate(tags);
    // Statements sent before the request ended may still commit, after responses were cached without them.
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
      // Even after a failure: the transaction may have been committed.
      await invalidate([...invalidated], hasFailed);
      // The edge invalidates the tags too, and removes the field.
      if (c.get("edge") !== undefined)
        headers = { ...headers, [internalHeaders.invalidated]: writeTags(invalidated) };
    }
    const complete = headers === undefined ? answer : { ...answer, headers };
    return isProblem(complete) ? await respondProblem(c, complete, signingKeys) : respond(c, complete);
  };
};
