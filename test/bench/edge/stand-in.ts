/** A stand-in for an origin and for an issuer of tokens; see `stand-in-process.ts`. */
import { fileURLToPath } from "node:url";
import { freePort } from "../../../src/local/free-port.ts";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { Run } from "../support/bench.ts";
import { rawRequest } from "../support/request-batch.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";

/** Its response to every request for the API: an order, as JSON. */
export const ANSWER = JSON.stringify({
  id: "01900000-0000-7000-8000-00000000abcd",
  status: "placed",
  lines: [
    {
      productId: "01900000-0000-7000-8000-000000000001",
      name: "Storm lantern",
      quantity: 2,
      unitPrice: { amount: 3_490, currency: "EUR" },
    },
  ],
  total: { amount: 6_980, currency: "EUR" },
  createdAt: "2026-11-01T12:00:00.000Z",
  cancelledAt: null,
});

export const KEY_SET_PATH = "/.well-known/jwks.json";

/**
 * @param keys records of API keys by id
 * @param keySet the issuer's public keys, as JSON
 * @throws LocalError if it does not start
 */
export const startStandIn = async (
  keys: Readonly<Record<string, string>>,
  keySet: string,
  run: Run,
): Promise<ServerProcess> =>
  await startServer(
    {
      name: "the origin's stand-in",
      folder: projectFolder,
      args: [fileURLToPath(new URL("./stand-in-process.ts", import.meta.url))],
      environment: { KEYS: JSON.stringify(keys), KEY_SET: keySet },
      port: await freePort(),
      readyRequest: () => rawRequest({ method: "GET", target: "/", headers: { host: "127.0.0.1" } }),
    },
    run,
  );
