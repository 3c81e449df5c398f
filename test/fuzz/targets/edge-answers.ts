/** What the edge's requests meet in the target `edge-requests`: an origin, a Redis and a key set that answer anything. */
import fc from "fast-check";
import * as z from "zod/mini";
import type { EdgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { OPERATOR_SCOPE } from "../../../src/contract/policy.ts";
import type { RedisReply } from "../../../src/edge/stores/redis.ts";
import { createKey, writeKeyRecord } from "../../../src/middleware/auth/api-keys.ts";
import { compileBlocklist } from "../../../src/middleware/blocklist/blocklist.ts";
import { parseNetwork } from "../../../src/middleware/blocklist/network.ts";
import { writeParts } from "../../../src/middleware/blocklist/snapshot.ts";
import { signNotExecuted } from "../../../src/middleware/signature/not-executed.ts";
import { coveredFieldsWith } from "../../../src/middleware/signature/sign.ts";
import { createVerifier } from "../../../src/middleware/signature/verify.ts";
import { testKey } from "../../middleware/signature/signed-request.ts";
import { nearTexts } from "../mutate.ts";
import { requestInput, sendable } from "../requests.ts";
import { mustEqual } from "../target.ts";

export const edgeInput = z.object({
  request: requestInput,
  origin: z.object({
    kind: z.enum(["answers", "breaks", "stranger"]),
    status: z.number(),
    headers: z.array(z.tuple([z.string(), z.string()])),
    body: z.string(),
  }),
  /** JSON that replaces the reply to a command of this name; "" for none. */
  command: z.string(),
  reply: z.string(),
  /** Wrong keys that the client's address presents before. */
  guesses: z.number(),
});

export type EdgeInput = z.output<typeof edgeInput>;

const made = createKey((bytes) => bytes.fill(0));
const record = {
  ...made,
  principal: "alice",
  scopes: ["orders:read", "orders:write", "products:write", OPERATOR_SCOPE],
  expiresAtMs: null,
};
const blocked = parseNetwork("203.0.113.0/24");
const parts = writeParts(
  compileBlocklist(blocked === undefined ? [] : [{ network: blocked, expiresAtMs: null }]),
);

/** As a Redis in order replies. */
const validReply = (command: readonly (string | number)[]): RedisReply => {
  const [name = "", , ...fields] = command;
  if (name === "HGET") return "1";
  if (name === "HMGET" && fields.includes("@version")) {
    const read = (field: string | number): string | null =>
      field === "@version"
        ? "1"
        : field === made.id
          ? writeKeyRecord(record)
          : (parts[String(field)] ?? null);
    return fields.map(read);
  }
  if (name === "EVAL" || name === "EVALSHA")
    return [
      "1",
      ...Array(Number(command[2]) > 2 ? 2 : 1)
        .fill(["2", "8", "10", "1", "0"])
        .flat(),
    ];
  return null;
};

const parsedReply = (text: string): RedisReply => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

export const ORIGIN = "http://origin.test:8080";
const NULL_BODY = [204, 205, 304];

/** Whether nothing but the request is out of order. */
export const isInOrder = ({ origin, command }: EdgeInput): boolean =>
  command === "" &&
  origin.kind === "answers" &&
  origin.status < 500 &&
  origin.status !== 401 &&
  !origin.headers.some(([name]) => name === "x-request-id");

/** Answers like the input's origin, and verifies what the edge has signed. */
export const fetchOf = (all: EdgeInput, routes: EdgeRoutes): typeof globalThis.fetch => {
  const { origin } = all;
  const fields = coveredFieldsWith(Object.values(routes).flatMap((route) => route.fields));
  const verify = createVerifier({
    keys: [testKey("k", 0)],
    authorities: ["origin.test:8080"],
    nonceLifetimeMs: 40_000,
    fields,
  });
  return async (input, init) => {
    const url = String(input);
    if (!url.startsWith(ORIGIN))
      return isInOrder(all) ? Response.json({ keys: [] }) : new Response(origin.body);
    const headers = new Headers(init?.headers);
    const at = url.indexOf("?");
    const [path, query] =
      at < 0 ? [url.slice(ORIGIN.length), ""] : [url.slice(ORIGIN.length, at), url.slice(at)];
    const target = { method: String(init?.method), authority: "origin.test:8080", path, query };
    const verified = verify(target, (name) => headers.get(name), Date.now());
    mustEqual(verified.ok, true, "the edge's signature");
    const own = { "x-request-id": headers.get("x-request-id") ?? "" };
    if (path === "/_edge/events") return new Response(null, { status: 204, headers: own });
    if (origin.kind === "breaks") throw new TypeError("fetch failed");
    const answered = new Headers(origin.kind === "answers" ? own : {});
    for (const [name, value] of origin.headers) answered.append(name, value);
    // Half of the refusals prove that nothing was done.
    const proof = signNotExecuted([testKey("k", 0)], origin.status, (name) => headers.get(name));
    if (origin.body.length % 2 === 0 && [401, 503].includes(origin.status))
      for (const [name, value] of Object.entries(proof ?? {})) answered.set(name, value);
    return new Response(NULL_BODY.includes(origin.status) ? null : origin.body, {
      status: origin.status,
      headers: answered,
    });
  };
};

export const originAnswers = (): fc.Arbitrary<EdgeInput["origin"]> => {
  const values: readonly [string, string][] = [
    ["cache-control", "public, max-age=5, stale-if-error=60"],
    ["etag", '"1"'],
    ["content-type", "application/json"],
    ["breakwater-invalidated", "products/7, products"],
    ["breakwater-not-executed", "?1"],
    ["breakwater-route-busy", "?1"],
    ["signature", "origin=:AAAA:"],
    ["signature-input", 'origin=("@status");keyid="k"'],
    ["retry-after", "1"],
    ["age", "3"],
    ["cache-status", "breakwater-origin; hit"],
    ["content-length", "5000"],
    ["x-request-id", "x"],
    ["set-cookie", "a=b"],
    ["vary", "accept"],
  ];
  const header = fc
    .constantFrom(...values)
    .chain(([name, value]) =>
      fc
        .oneof(fc.constant(value), nearTexts([value]).map(sendable))
        .map((text): [string, string] => [name, text]),
    );
  return fc.record({
    kind: fc.oneof(
      { weight: 8, arbitrary: fc.constant("answers" as const) },
      fc.constantFrom("breaks" as const, "stranger" as const),
    ),
    status: fc.oneof(
      { weight: 6, arbitrary: fc.constant(200) },
      fc.constantFrom(201, 204, 206, 301, 304, 400, 401, 404, 412, 429, 500, 502, 503, 504, 530, 599),
    ),
    headers: fc.array(header, { maxLength: 4 }),
    body: nearTexts(["{}", writeKeyRecord(record)]),
  });
};

/** A Redis in order, except for the input's command. */
export const redisOf =
  ({ command, reply }: EdgeInput) =>
  async (...parts: [string, ...(string | number)[]]): Promise<RedisReply> =>
    parts[0] === command ? parsedReply(reply) : validReply(parts);
