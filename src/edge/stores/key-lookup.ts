/**
 * Finds the record of an API key: in the snapshot that the origins publish to Redis, or at an origin if Redis
 * has none or does not answer. A Redis outage delays the lookup until the breaker opens; valid keys stay
 * valid.
 */
import { EDGE_PATH } from "../../contract/internal-headers.ts";
import {
  type KeyLookup,
  type KeyLookupResult,
  publishedKeysName,
  readKeyRecord,
  VERSION_FIELD,
} from "../../middleware/auth/api-keys.ts";
import { ANONYMOUS_IDENTITY } from "../../middleware/auth/principal.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginClient } from "../upstream/client.ts";
import type { RedisCommand } from "./redis.ts";

/** The two sources. */
export interface KeyLookupDeps {
  readonly redis: RedisCommand;
  readonly breaker: Breaker;
  readonly keyPrefix: string;
  readonly client: OriginClient;
}

const UNAVAILABLE: KeyLookupResult = { kind: "unavailable" };

export const edgeKeyLookup = ({ redis, breaker, keyPrefix, client }: KeyLookupDeps): KeyLookup => {
  const name = publishedKeysName(keyPrefix);

  const fromSnapshot = async (id: string): Promise<KeyLookupResult> => {
    try {
      const fields = await breaker.run(
        () => redis("HMGET", name, id, VERSION_FIELD),
        () => "failure",
      );
      const [text, version] = Array.isArray(fields) ? fields : [];
      if (!version) return UNAVAILABLE;
      const record = readKeyRecord(id, typeof text === "string" ? text : "");
      return record === undefined ? { kind: "unknown" } : { kind: "found", record };
    } catch {
      return UNAVAILABLE;
    }
  };

  const fromOrigin: KeyLookup = async (id, c) => {
    const result = await client.send({
      route: "edge_key",
      retryMode: "hedge",
      waitUntil: c.get("waitUntil"),
      method: "GET",
      path: `${EDGE_PATH}/keys/${id}`,
      query: "",
      headers: {},
      identity: ANONYMOUS_IDENTITY,
      requestId: c.get("requestId"),
      client: c.get("client").name,
      deadlineAtMs: c.get("deadlineAtMs"),
    });
    if (result.kind !== "answered") return UNAVAILABLE;
    const { response } = result;
    if (response.status === 404) return { kind: "unknown" };
    if (response.status !== 200) return UNAVAILABLE;
    const record = readKeyRecord(id, await response.text().catch(() => ""));
    return record === undefined ? UNAVAILABLE : { kind: "found", record };
  };

  return async (id, c) => {
    const result = await fromSnapshot(id);
    return result.kind === "unavailable" ? await fromOrigin(id, c) : result;
  };
};
