/** Where the blocklist comes from: the snapshot in Redis, or, while Redis has none or does not answer, an origin. */
import { EDGE_PATH, internalHeaders } from "../contract/internal-headers.ts";
import { VERSION_FIELD } from "../middleware/auth/published-keys.ts";
import { readBlocklist } from "../middleware/blocklist/blocklist.ts";
import {
  MAX_BYTES,
  PARTS_FIELD,
  publishedBlocklistName,
  readParts,
} from "../middleware/blocklist/published-blocklist.ts";
import type { LoadBlocklist, VersionedBlocklist } from "../middleware/blocklist/snapshot.ts";
import { readBody } from "../middleware/body-limit/read-body.ts";
import type { Exchange } from "../middleware/exchange.ts";
import type { Breaker } from "../resilience/circuit-breaker/circuit-breaker.ts";
import { endingIn } from "./ending.ts";
import type { OriginClient } from "./origin-client.ts";
import type { RedisClient, RedisReply } from "./redis-client.ts";

export interface BlocklistSourceDependencies {
  readonly redis: RedisClient;
  /** With time for what is large. */
  readonly bulkRedis: RedisClient;
  readonly breaker: Breaker;
  readonly keyPrefix: string;
  readonly client: OriginClient;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** No origin is waited for longer. */
const ORIGIN_TIMEOUT_MS = 4_000;

const everyErrorFails = () => "failure" as const;

const texts = (reply: RedisReply): readonly (string | undefined)[] =>
  Array.isArray(reply) ? reply.map((each) => (typeof each === "string" ? each : undefined)) : [];

const versioned = (version: string, bytes: Uint8Array | undefined): VersionedBlocklist => {
  const list = bytes && readBlocklist(bytes);
  if (list === undefined) throw new Error("the blocklist is not of a form that this edge knows");
  return { version, list };
};

export const blocklistSource = (dependencies: BlocklistSourceDependencies): LoadBlocklist => {
  const { redis, bulkRedis, breaker, keyPrefix, client, now } = dependencies;
  const name = publishedBlocklistName(keyPrefix);

  /** One part more, as long as it is of the same version. */
  const readPart = async (index: number, version: string): Promise<[string, string]> => {
    const [present, part] = texts(await bulkRedis.command("HMGET", name, VERSION_FIELD, index));
    if (present !== version || part === undefined)
      throw new Error("the blocklist in Redis has changed meanwhile");
    return [String(index), part];
  };

  const readWhole = async (version: string): Promise<VersionedBlocklist> => {
    const [present, count] = texts(await bulkRedis.command("HMGET", name, VERSION_FIELD, PARTS_FIELD));
    if (present !== version || count === undefined)
      throw new Error("the blocklist in Redis has changed meanwhile");
    const parts: [string, string][] = [[PARTS_FIELD, count]];
    // One after another: an isolate has few connections, and requests wait for theirs.
    for (let index = 0; index < Number(count); index += 1) parts.push(await readPart(index, version));
    return versioned(version, readParts(Object.fromEntries(parts)));
  };

  const fromRedis = async (
    known: VersionedBlocklist | undefined,
  ): Promise<VersionedBlocklist | undefined> => {
    try {
      const version = await breaker.run(() => redis.command("HGET", name, VERSION_FIELD), everyErrorFails);
      if (typeof version !== "string" || version === "") return undefined;
      return version === known?.version ? known : await readWhole(version);
    } catch {
      return undefined;
    }
  };

  const fromOrigin = async (
    known: VersionedBlocklist | undefined,
    { requestId, client: { name: clientAddress }, inBackground }: Exchange,
  ): Promise<VersionedBlocklist> => {
    const answer = await client.send({
      route: "edge_blocklist",
      repetition: "hedge",
      inBackground,
      method: "GET",
      path: `${EDGE_PATH}/blocklist`,
      query: known === undefined ? "" : `?version=${encodeURIComponent(known.version)}`,
      headers: {},
      verdict: { auth: "none" },
      requestId,
      clientAddress,
      deadlineAtMs: now() + ORIGIN_TIMEOUT_MS,
    });
    if (answer.kind !== "answered") throw new Error(`no origin has the blocklist: ${answer.kind}`);
    const { status, headers, body } = answer.response;
    if (status === 204 && known !== undefined) return known;
    if (status !== 200) throw new Error(`an origin answered ${status} for the blocklist`);
    const ending = endingIn(ORIGIN_TIMEOUT_MS);
    const reading = await readBody(body?.getReader() ?? null, MAX_BYTES, ending.signal);
    ending.clear();
    if (reading.kind !== "read") throw new Error(`an origin's blocklist could not be read: ${reading.kind}`);
    return versioned(headers.get(internalHeaders.blocklistVersion) ?? "", reading.bytes);
  };

  return async (known, exchange) => (await fromRedis(known)) ?? (await fromOrigin(known, exchange));
};
