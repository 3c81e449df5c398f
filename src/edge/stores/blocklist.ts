/** Loads the edge's blocklist: from the snapshot in Redis, or else from an origin. */
import { EDGE_PATH, internalHeaders } from "../../contract/internal-headers.ts";
import { timeoutSignal } from "../../lib/async.ts";
import { VERSION_FIELD } from "../../middleware/auth/api-keys.ts";
import { ANONYMOUS_IDENTITY } from "../../middleware/auth/principal.ts";
import { readBlocklist } from "../../middleware/blocklist/blocklist.ts";
import {
  type LoadBlocklist,
  MAX_BYTES,
  PARTS_FIELD,
  publishedBlocklistName,
  readParts,
  type SnapshotContext,
  type VersionedBlocklist,
} from "../../middleware/blocklist/snapshot.ts";
import { readBody } from "../../middleware/body-limit/read-body.ts";
import type { EdgeDeps } from "../app.ts";
import type { KeyLookupDeps } from "./key-lookup.ts";
import type { RedisCommand } from "./redis.ts";

interface BlocklistSourceDeps extends KeyLookupDeps, Pick<EdgeDeps, "now"> {
  /** With a longer timeout, for the parts of the list. */
  readonly bulkRedis: RedisCommand;
}

const ORIGIN_TIMEOUT_MS = 4_000;

const versioned = (version: string, bytes: Uint8Array | undefined): VersionedBlocklist => {
  const list = bytes && readBlocklist(bytes);
  if (list === undefined) throw new Error("the blocklist has a format that this edge does not support");
  return { version, list };
};

export const edgeBlocklistSource = (deps: BlocklistSourceDeps): LoadBlocklist => {
  const { redis, bulkRedis, breaker, keyPrefix, client, now } = deps;
  const name = publishedBlocklistName(keyPrefix);

  const readField = async (field: string, version: string): Promise<[string, string]> => {
    const reply = await bulkRedis("HMGET", name, VERSION_FIELD, field);
    const [current, value] = Array.isArray(reply) ? reply : [];
    if (current === version && typeof value === "string") return [field, value];
    throw new Error("the blocklist in Redis changed while it was read");
  };

  const readWhole = async (version: string): Promise<VersionedBlocklist> => {
    const parts = [await readField(PARTS_FIELD, version)];
    const count = Number(parts[0]?.[1]);
    // In sequence: an isolate has few connections, and requests need them.
    for (let index = 0; index < count; index += 1) parts.push(await readField(String(index), version));
    return versioned(version, readParts(Object.fromEntries(parts)));
  };

  const fromRedis = async (
    current: VersionedBlocklist | undefined,
  ): Promise<VersionedBlocklist | undefined> => {
    try {
      const version = await breaker.run(
        () => redis("HGET", name, VERSION_FIELD),
        () => "failure",
      );
      if (typeof version !== "string" || version === "") return undefined;
      return version === current?.version ? current : await readWhole(version);
    } catch {
      return undefined;
    }
  };

  const fromOrigin = async (
    current: VersionedBlocklist | undefined,
    c: SnapshotContext,
  ): Promise<VersionedBlocklist> => {
    const result = await client.send({
      route: "edge_blocklist",
      retryMode: "hedge",
      waitUntil: c.get("waitUntil"),
      method: "GET",
      path: `${EDGE_PATH}/blocklist`,
      query: current === undefined ? "" : `?version=${encodeURIComponent(current.version)}`,
      headers: {},
      identity: ANONYMOUS_IDENTITY,
      requestId: c.get("requestId"),
      client: c.get("client").name,
      deadlineAtMs: now() + ORIGIN_TIMEOUT_MS,
    });
    if (result.kind !== "answered") throw new Error(`no origin has the blocklist: ${result.kind}`);
    const { status, headers, body } = result.response;
    if (status === 204 && current !== undefined) return current;
    if (status !== 200) throw new Error(`an origin answered ${status} for the blocklist`);
    const timeout = timeoutSignal(ORIGIN_TIMEOUT_MS);
    const reading = await readBody(body, MAX_BYTES, timeout.signal).finally(timeout.clear);
    if (reading.kind !== "read") throw new Error(`an origin's blocklist could not be read: ${reading.kind}`);
    return versioned(headers.get(internalHeaders.blocklistVersion) ?? "", reading.bytes);
  };

  return async (current, c) => (await fromRedis(current)) ?? (await fromOrigin(current, c));
};
