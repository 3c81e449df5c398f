/** The edge's own API: keys, blocklist, security events. Clients have no access. */
import { Hono } from "hono";
import { internalHeaders } from "../contract/internal-headers.ts";
import { type Problem, problem } from "../contract/problem.ts";
import { writeKeyRecord } from "../middleware/auth/api-keys.ts";
import { MAX_BATCH_BYTES } from "../security-events/aggregator.ts";
import { compiledBlocklist, serveBlocklist } from "./admin/blocklist/store.ts";
import { findKey } from "./admin/keys.ts";
import type { OriginDependencies } from "./app.ts";
import { type Database, timedScope } from "./db/database.ts";
import type { PostgresPool } from "./db/postgres.ts";
import { requestDeadline } from "./handler.ts";
import type { OriginContext, OriginEnv } from "./middleware/context.ts";
import type { Deadline } from "./middleware/deadline.ts";
import { ProblemError, unavailable } from "./middleware/error-handler.ts";
import { requestBody } from "./middleware/read-body.ts";
import { decodeBatch } from "./outbox/decode-batch.ts";
import type { SecurityEvents } from "./outbox/security-events.ts";

/** Stores a batch of security events. @returns a problem if the batch is rejected */
const ingest = async (
  c: OriginContext,
  events: SecurityEvents,
  database: PostgresPool,
  deadline: Deadline,
): Promise<Problem | undefined> => {
  // The edge's count of dropped events must not be added twice.
  const nonceState = c.get("edge")?.nonceState();
  const body = await requestBody(c, MAX_BATCH_BYTES, deadline);
  if (!(body instanceof Uint8Array)) return body;
  const batch = decodeBatch(new TextDecoder().decode(body));
  if (batch === undefined) return problem("invalid_request");
  if ((await nonceState) === "taken") return problem("unsigned");
  await events.ingest(batch, database.within(deadline));
  return undefined;
};

/** Mounted behind `verifySignature`. */
export const edgeApi = (dependencies: OriginDependencies): Hono<OriginEnv> => {
  const { database, readiness, deadlines, securityEvents, now } = dependencies;
  const compiled = compiledBlocklist();
  const reading = (c: OriginContext, name: string): Database =>
    database.within(timedScope(name, c.get("deadlineAtMs") - now(), true));

  const app = new Hono<OriginEnv>();
  app.use(async (_, next) => {
    if (!readiness.isMigrated) throw new ProblemError(unavailable);
    await next();
  });
  app.get("/keys/:id", async (c) => {
    const record = await findKey(reading(c, "edge_key"), c.req.param("id"));
    if (record === undefined) throw new ProblemError(problem("not_found"));
    return c.body(writeKeyRecord(record), 200, { [internalHeaders.requestId]: c.get("requestId") });
  });
  app.get("/blocklist", async (c) =>
    serveBlocklist(await compiled(reading(c, "edge_blocklist")), c.req.query("version"), c.get("requestId")),
  );
  app.post("/events", async (c) => {
    const deadline = requestDeadline("edge_events", false, c);
    const rejection = await deadlines.run(deadline, c, () => ingest(c, securityEvents, database, deadline));
    if (rejection !== undefined) throw new ProblemError(rejection);
    return c.body(null, 204, { [internalHeaders.requestId]: c.get("requestId") });
  });
  app.all("*", (c) => c.notFound());
  return app;
};
