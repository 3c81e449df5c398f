/** The real origin, with one read whose every request takes a slot of the backend. It uses no database. */
import { contract } from "../../../src/contract/contract.ts";
import type { ResponseCache } from "../../../src/middleware/response-cache/index.ts";
import type { SigningKey } from "../../../src/middleware/signature/signing-keys.ts";
import { createOrigin } from "../../../src/origin/app.ts";
import type { PostgresPool } from "../../../src/origin/db/postgres.ts";
import { createReadiness } from "../../../src/origin/lifecycle/readiness.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { createDeadlines } from "../../../src/origin/middleware/deadline.ts";
import type { LoadShedding } from "../../../src/origin/middleware/load-shedding.ts";
import type { RequestTelemetry } from "../../../src/origin/middleware/request-telemetry.ts";
import { handlers } from "../../../src/origin/server.ts";
import type { Backend } from "./backend.ts";

const unused = (): never => {
  throw new Error("this origin has neither a database nor a cache");
};

const noDatabase: PostgresPool = {
  query: unused,
  transaction: unused,
  within: () => noDatabase,
  usage: () => ({ total: 0, idle: 0, waiting: 0 }),
  warmUp: unused,
  close: unused,
};

const noCache: ResponseCache = { handler: () => unused, invalidate: unused };

export const createSlottedOrigin = (
  backend: Backend,
  loadShedding: Pick<LoadShedding, "run">,
  signingKeys: readonly [SigningKey, ...SigningKey[]],
  authorities: readonly string[],
  telemetry: RequestTelemetry = { begin: () => undefined, served: () => undefined },
) => {
  const readiness = createReadiness({}, Date.now);
  readiness.migrated();
  return createOrigin({
    routes: contract,
    handlers: {
      ...handlers,
      listOrders: async () => {
        await backend.serve();
        return { status: 200, body: { items: [], nextCursor: null } };
      },
    },
    database: noDatabase,
    cache: noCache,
    signingKeys,
    authorities,
    readiness,
    deadlines: createDeadlines(Date.now),
    loadShedding,
    telemetry,
    observeCache: () => undefined,
    defaultFreshS: 0,
    // Deadlines that are missed are warned of: without the limit there are many.
    log: createLog("error"),
    claimNonce: async () => true,
    now: Date.now,
  });
};
