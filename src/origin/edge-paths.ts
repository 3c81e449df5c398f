/** What the edge itself asks for, under a path of its own: nobody else may know it. */
import { Hono } from "hono";
import { problem } from "../contract/problem.ts";
import { EDGE_PATH, tierHeaders } from "../contract/tier-headers.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { writeKeyRecord } from "../core/security/published-keys.ts";
import type { Admit } from "./admit.ts";
import { compiledBlocklist } from "./blocklist/compiled-blocklist.ts";
import { serveBlocklist } from "./blocklist/serve-blocklist.ts";
import { type Database, timedScope } from "./data/database.ts";
import type { PostgresPool } from "./data/postgres.ts";
import { problemOfFailure, unavailable } from "./failure-problem.ts";
import { findKey } from "./keys/key-store.ts";
import type { Readiness } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log.ts";
import type { OriginContext, OriginEnvironment } from "./route-operation.ts";
import type { SecurityEvents } from "./security-events/security-events.ts";
import { type ServeEventsDependencies, serveEvents } from "./security-events/serve-events.ts";

export interface EdgePathsDependencies extends ServeEventsDependencies {
  readonly database: PostgresPool;
  readonly readiness: Readiness;
  readonly securityEvents?: SecurityEvents | undefined;
  readonly log: OriginLog;
}

/** @param signed lets through what the edge has signed, and nothing else */
export const createEdgePaths = (
  signed: Admit,
  dependencies: EdgePathsDependencies,
): Hono<OriginEnvironment> => {
  const { database, readiness, securityEvents, log } = dependencies;
  const app = new Hono<OriginEnvironment>();

  const reading =
    (name: string, serve: (c: OriginContext, from: Database, requestId: string) => Promise<Response>) =>
    async (c: OriginContext): Promise<Response> => {
      const admitted = await signed(c);
      if (admitted instanceof Response) return admitted;
      const { requestId, timeoutMs } = admitted;
      if (!readiness.isMigrated) return problemResponse(unavailable, requestId);
      try {
        return await serve(c, database.within(timedScope(name, timeoutMs, true)), requestId);
      } catch (error) {
        return problemResponse(problemOfFailure(error, { requestId }, log), requestId);
      }
    };

  app.get(
    `${EDGE_PATH}/keys/:id`,
    reading("edge_key", async (c, from, requestId) => {
      const record = await findKey(from, c.req.param("id") ?? "");
      if (record === undefined) return problemResponse(problem("not_found"), requestId);
      return c.body(writeKeyRecord(record), 200, { [tierHeaders.requestId]: requestId });
    }),
  );

  const compiled = compiledBlocklist();
  app.get(
    `${EDGE_PATH}/blocklist`,
    reading("edge_blocklist", async (c, from, requestId) =>
      serveBlocklist(await compiled(from), c.req.query("version"), requestId),
    ),
  );

  if (securityEvents !== undefined) {
    const serve = serveEvents(securityEvents, dependencies);
    app.post(`${EDGE_PATH}/events`, async (c) => {
      const admitted = await signed(c);
      return admitted instanceof Response ? admitted : await serve(c, admitted);
    });
  }
  return app;
};
