/** What the edge itself asks for, under a path of its own: nobody else may know it. */
import { Hono } from "hono";
import { EDGE_PATH, internalHeaders } from "../contract/internal-headers.ts";
import { problem } from "../contract/problem.ts";
import { writeKeyRecord } from "../middleware/auth/published-keys.ts";
import { problemResponse } from "../middleware/problems/problem-response.ts";
import { compiledBlocklist, serveBlocklist } from "./admin/blocklist/publish.ts";
import { findKey } from "./admin/keys/store.ts";
import type { Admit } from "./admit.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import { type Database, timedScope } from "./data/database.ts";
import type { PostgresPool } from "./data/postgres.ts";
import { problemOfFailure, unavailable } from "./failure-problem.ts";
import type { Readiness } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log.ts";
import type { OriginContext, OriginEnvironment } from "./route-operation.ts";
import type { SecurityEvents } from "./security-events/security-events.ts";
import { type ServeEventsDependencies, serveEvents } from "./security-events/serve-events.ts";
import { serveAdmitted } from "./serve-admitted.ts";
import type { RequestTelemetry } from "./telemetry/request-telemetry.ts";

export interface EdgePathsDependencies extends ServeEventsDependencies {
  readonly database: PostgresPool;
  readonly readiness: Readiness;
  readonly securityEvents?: SecurityEvents | undefined;
  readonly telemetry: RequestTelemetry;
  readonly log: OriginLog;
}

/** @param signed lets through what the edge has signed, and nothing else */
export const createEdgePaths = (
  signed: Admit,
  dependencies: EdgePathsDependencies,
): Hono<OriginEnvironment> => {
  const { database, readiness, securityEvents, telemetry, log } = dependencies;
  const app = new Hono<OriginEnvironment>();

  const told = (method: string, path: string, serve: Parameters<typeof serveAdmitted>[3]) =>
    serveAdmitted(() => ({ method, path }), signed, telemetry, serve);

  const reading = (
    name: string,
    path: string,
    serve: (c: OriginContext, from: Database, requestId: string) => Promise<Response>,
  ): void => {
    const answer = async (c: OriginContext, { requestId, timeoutMs }: AdmittedRequest): Promise<Response> => {
      if (!readiness.isMigrated) return problemResponse(unavailable, requestId);
      try {
        return await serve(c, database.within(timedScope(name, timeoutMs, true)), requestId);
      } catch (error) {
        return problemResponse(problemOfFailure(error, { requestId }, log), requestId);
      }
    };
    app.get(path, told("GET", path, answer));
  };

  reading("edge_key", `${EDGE_PATH}/keys/:id`, async (c, from, requestId) => {
    const record = await findKey(from, c.req.param("id") ?? "");
    if (record === undefined) return problemResponse(problem("not_found"), requestId);
    return c.body(writeKeyRecord(record), 200, { [internalHeaders.requestId]: requestId });
  });

  const compiled = compiledBlocklist();
  reading("edge_blocklist", `${EDGE_PATH}/blocklist`, async (c, from, requestId) =>
    serveBlocklist(await compiled(from), c.req.query("version"), requestId),
  );

  if (securityEvents !== undefined) {
    const path = `${EDGE_PATH}/events`;
    app.post(path, told("POST", path, serveEvents(securityEvents, dependencies)));
  }
  return app;
};
