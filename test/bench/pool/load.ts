/** The requests to the contestants. */
import { createKey, writeKeyRecord } from "../../../src/middleware/auth/api-keys.ts";
import { type RequestBatch, rawRequest, requestBatch } from "../support/request-batch.ts";
import { LOAD_ID_HEADER } from "./replica.ts";

/** The API key of requests with an Idempotency-Key, the same in every run. */
const { id: keyId, key: API_KEY, hash } = createKey((bytes) => bytes.fill(7));

export const KEY_RECORD = writeKeyRecord({
  id: keyId,
  hash,
  principal: "bench",
  scopes: ["orders:write"],
  expiresAtMs: null,
});

export const PER_SECOND = 500;

export const KEYLESS = "keyless-";

/** Number of different items that are read. */
const ITEMS = 100;
const HOST = "edge.test";
const BODY = JSON.stringify({ quantity: 1 });

export const reads = (): RequestBatch =>
  requestBatch(
    Array.from({ length: ITEMS }, (_, index) =>
      rawRequest({
        method: "GET",
        target: `/items/${index}`,
        headers: { host: HOST, accept: "application/json" },
      }),
    ),
    true,
  );

const write = (target: string, id: string, headers: Readonly<Record<string, string>>): string =>
  rawRequest({
    method: "POST",
    target,
    headers: {
      host: HOST,
      accept: "application/json",
      "content-type": "application/json",
      [LOAD_ID_HEADER]: id,
      ...headers,
    },
    body: BODY,
  });

/** Whether the write of this index has a key: every second one does. */
export const hasKey = (index: number): boolean => index % 2 === 1;

/** Without a key and with one in turns, each with an id of its own. */
export const writes = (count: number): RequestBatch =>
  requestBatch(
    Array.from({ length: count }, (_, index) =>
      hasKey(index)
        ? write("/orders", `keyed-${index}`, {
            authorization: `Bearer ${API_KEY}`,
            "idempotency-key": `key-${index}`,
          })
        : write("/items", `${KEYLESS}${index}`, {}),
    ),
    false,
  );
