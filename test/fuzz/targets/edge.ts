/** Whole requests at the edge, with an origin, a Redis and a key set that answer anything. */
import fc from "fast-check";
import { contract } from "../../../src/contract/contract.ts";
import { type EdgeRoutes, edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { askEdge, type Edge, startEdge } from "../../support/ask-edge.ts";
import { type Json, nearJson } from "../mutate-json.ts";
import { nearRequests, type RequestInput } from "../requests.ts";
import { defineTarget, must } from "../target.ts";
import {
  type EdgeInput,
  edgeInput,
  fetchOf,
  isInOrder,
  ORIGIN,
  originAnswers,
  redisOf,
} from "./edge-answers.ts";

const askable = (request: RequestInput): Request | undefined => {
  const { method, url, headers, body } = request;
  const hasBody = body !== null && !["GET", "HEAD"].includes(method);
  try {
    return new Request(`https://api.example.com${url}`, {
      method,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      ...(hasBody && { body: Buffer.from(body, "latin1") }),
    });
  } catch {
    // No server could make it a request.
    return undefined;
  }
};

export const edgeRequests = defineTarget({
  name: "edge-requests",
  files: [
    "edge/upstream/attempt.ts",
    "edge/upstream/proxy.ts",
    "edge/stores/key-lookup.ts",
    "edge/stores/blocklist.ts",
    "edge/stores/response-cache.ts",
    "edge/debug-headers.ts",
    "middleware/auth/index.ts",
    "middleware/body-limit/index.ts",
    "middleware/signature/sign.ts",
    "middleware/signature/signing-keys.ts",
    "middleware/blocklist/snapshot.ts",
    "middleware/context/index.ts",
    "middleware/cors/index.ts",
    "middleware/cors/preflight.ts",
    "middleware/route-policy/index.ts",
    "middleware/screening/index.ts",
    "middleware/response-cache/respond.ts",
  ],
  lanes: 16,
  schema: edgeInput,
  inputs: (seeds) => {
    const replies = seeds.map(({ reply }): Json => JSON.parse(reply));
    return fc.record({
      request: nearRequests(
        seeds.map(({ request }) => request),
        ["%2e%2e/", "//", "\\", ".php"],
      ),
      origin: originAnswers(),
      command: fc.oneof(
        { weight: 4, arbitrary: fc.constant("") },
        fc.constantFrom("HGET", "HMGET", "EVAL", "EVALSHA"),
      ),
      reply: nearJson(replies),
      guesses: fc.oneof({ weight: 50, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(30) }),
    });
  },
  start: () => {
    const all = edgeRoutes(contract);
    const { listOrders } = all;
    if (listOrders === undefined) throw new Error("the contract has no listOrders");
    const policy = {
      auth: { scopes: ["orders:read"] },
      cors: { origins: ["https://shop.example.com"] },
    } as const;
    const routes: EdgeRoutes = { ...all, listOrders: { ...listOrders, policy } };
    const environment = {
      ORIGINS: ORIGIN,
      JWT_ISSUER: "https://issuer.example/",
      JWT_AUDIENCE: "https://api.example.com",
      JWT_JWKS_URL: "https://issuer.example/keys",
    };
    const ask = async (edge: Edge, input: EdgeInput): Promise<Response | undefined> => {
      const request = askable(input.request);
      if (request === undefined) return undefined;
      const response = await askEdge(edge, request);
      await response.text().catch(() => undefined);
      return response;
    };
    return {
      run: async (input) => {
        const redis = redisOf(input);
        const logged: unknown[] = [];
        const edge = startEdge({
          routes,
          environment,
          redis,
          bulkRedis: redis,
          fetch: fetchOf(input, routes),
          random: () => 0.5,
          log: (entry) => void (entry["level"] === "error" && logged.push(entry)),
        });
        for (let guess = 0; guess < input.guesses; guess += 1) {
          const key = `bwk_AAAAAAAAAAAA_${String(guess).padStart(42, "B")}A`;
          const address = new Headers(input.request.headers).get("cf-connecting-ip") ?? "";
          const headers = { authorization: `Bearer ${key}`, "cf-connecting-ip": address };
          const { status } = await askEdge(edge, "https://api.example.com/v1/orders", { headers });
          must([401, 403, 429, 503].includes(status), `a wrong key: ${status}`);
        }
        for (const round of ["first", "second"]) {
          const response = await ask(edge, input);
          if (response === undefined) return;
          const { status, headers } = response;
          must(logged.length === 0, `the edge logged ${JSON.stringify(logged[0])}`);
          const isOrigins = status === input.origin.status && input.origin.kind === "answers";
          must(status < 500 || isOrigins || [502, 503, 504].includes(status), `${round} response: ${status}`);
          // On a busy machine, the route's deadline may pass.
          if (isInOrder(input))
            must(status < 500 || status === 504, `${round} response: ${status}, with everything in order`);
          must(headers.has("x-request-id"), "a response without a request id");
          must(
            ![...headers.keys()].some((name) => name.startsWith("breakwater-entry-")),
            "fields of the cache",
          );
          const isRead = ["GET", "HEAD", "OPTIONS"].includes(input.request.method);
          must(isRead || !headers.has("breakwater-invalidated"), "a field between the tiers");
        }
      },
    };
  },
});
