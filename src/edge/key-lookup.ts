/**
 * Finds the record of an API key: in the snapshot that the origins publish to Redis, or, while Redis has
 * none or does not answer, at an origin. Losing Redis costs time, until its breaker is open, never a valid key.
 */
import { EDGE_PATH } from "../contract/internal-headers.ts";
import type { KeyFinding, KeyLookup } from "../middleware/auth/key-lookup.ts";
import { publishedKeysName, readKeyRecord, VERSION_FIELD } from "../middleware/auth/published-keys.ts";
import { type Exchange, routed } from "../middleware/exchange.ts";
import type { Breaker } from "../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginClient } from "./origin-client.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RequestTrace } from "./telemetry/request-trace.ts";

export interface KeyLookupDependencies {
  readonly redis: RedisClient;
  readonly breaker: Breaker;
  readonly keyPrefix: string;
  readonly client: OriginClient;
  /** Of the request that is worked on, where it is kept. */
  readonly activeTrace?: (() => RequestTrace | undefined) | undefined;
}

/** Whatever it was, Redis did not give what it was asked for. */
const everyErrorFails = () => "failure" as const;

const fromSnapshot = async (
  redis: RedisClient,
  breaker: Breaker,
  name: string,
  id: string,
): Promise<KeyFinding> => {
  try {
    const fields = await breaker.run(() => redis.command("HMGET", name, id, VERSION_FIELD), everyErrorFails);
    const [text, version] = Array.isArray(fields) ? fields : [];
    if (!version) return { kind: "unavailable" };
    const record = readKeyRecord(id, typeof text === "string" ? text : "");
    return record === undefined ? { kind: "unknown" } : { kind: "found", record };
  } catch {
    return { kind: "unavailable" };
  }
};

const fromOrigin = async (
  { client, activeTrace }: KeyLookupDependencies,
  id: string,
  exchange: Exchange,
): Promise<KeyFinding> => {
  const answer = await client.send({
    route: "edge_key",
    repetition: "hedge",
    trace: activeTrace?.(),
    inBackground: exchange.inBackground,
    method: "GET",
    path: `${EDGE_PATH}/keys/${id}`,
    query: "",
    headers: {},
    verdict: { auth: "none" },
    requestId: exchange.requestId,
    clientAddress: exchange.client.name,
    deadlineAtMs: routed(exchange).deadlineAtMs,
  });
  if (answer.kind !== "answered") return { kind: "unavailable" };
  if (answer.response.status === 404) return { kind: "unknown" };
  if (answer.response.status !== 200) return { kind: "unavailable" };
  try {
    const record = readKeyRecord(id, await answer.response.text());
    return record === undefined ? { kind: "unavailable" } : { kind: "found", record };
  } catch {
    return { kind: "unavailable" };
  }
};

export const createKeyLookup = (dependencies: KeyLookupDependencies): KeyLookup => {
  const { redis, breaker, keyPrefix } = dependencies;
  const name = publishedKeysName(keyPrefix);
  return async (id, exchange) => {
    const published = await fromSnapshot(redis, breaker, name, id);
    return published.kind === "unavailable" ? await fromOrigin(dependencies, id, exchange) : published;
  };
};
