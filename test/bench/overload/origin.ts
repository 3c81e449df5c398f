/** The real origin, with a read that takes a slot of the backend, and without a database. */
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
import { createSecurityEvents } from "../../../src/origin/outbox/security-events.ts";
import { handlers } from "../../../src/origin/server.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";
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

/** Admits everything at once. */
const admitAll: Pick<LoadShedding, "run"> = { run: (_name, _route, _scope, work) => work() };

export interface SlottedOptions {
  /** @default everything is admitted */
  readonly loadShedding?: Pick<LoadShedding, "run"> | undefined;
  /** @default none */
  readonly telemetry?: RequestTelemetry;
}

export const createSlottedOrigin = (
  backend: Backend,
  signingKeys: readonly [SigningKey, ...SigningKey[]],
  authorities: readonly string[],
  { loadShedding = admitAll, telemetry = { observe: () => undefined } }: SlottedOptions = {},
) => {
  // Missed deadlines are warnings, and without the limit there are many.
  const log = createLog("error");
  const { meter } = createMetrics();
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
    callerFetch: () => unused,
    settings: {},
    signingKeys,
    authorities,
    readiness,
    deadlines: createDeadlines(Date.now),
    loadShedding,
    telemetry,
    observeCache: () => undefined,
    defaultFreshS: 0,
    securityEvents: {
      ...createSecurityEvents({ database: noDatabase, sinks: [], meter, log }),
      record: () => undefined,
    },
    log,
    claimNonce: async () => true,
    now: Date.now,
  });
};
