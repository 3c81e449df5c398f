/** The stock stack of `test/bench/peers/stock-stack.mjs`, with the clients' own keys. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { peersFolder } from "../support/install-peers.ts";
import { bundleWorker } from "../support/worker-scripts.ts";
import { SAMPLING_RATIO } from "./clients.ts";
import { limitPrefixOf } from "./published.ts";
import type { EdgeStage } from "./servers.ts";

/** As the README of `@microlabs/otel-cf-workers` requires. */
export const STOCK_FLAGS = ["nodejs_compat"];

/** For the report. */
export const STOCK_DESCRIPTION =
  "stock stack: Hono with secure-headers, cors, bearer-auth and body-limit; @upstash/ratelimit (sliding window, ephemeral cache, no analytics), one call to Redis per request; otel-cf-workers, which also posts an empty batch for every unsampled trace; keys in a variable";

/** Call `installPeers` first. */
export const bundleStock = (): Promise<string> =>
  bundleWorker({ entryPoints: [join(peersFolder, "stock-stack.mjs")] });

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** Its variables. @param keyPrefix of its keys in Redis */
export const stockEnvironment = (
  { store, clients, originUrl, collector }: EdgeStage,
  keyPrefix: string,
): Record<string, string> => ({
  ORIGIN: originUrl,
  API_KEYS: JSON.stringify(Object.fromEntries(clients.map(({ name, key }) => [sha256(key.key), name]))),
  UPSTASH_REDIS_REST_URL: store.bridge.url,
  UPSTASH_REDIS_REST_TOKEN: store.bridge.token,
  RATE_LIMIT_PREFIX: limitPrefixOf(keyPrefix),
  OTLP_TRACES_URL: `${collector.urlOf("stock")}/v1/traces`,
  TRACE_RATIO: String(SAMPLING_RATIO),
});
