/** What lies in Redis and in the platform's cache: another client of them, or an older version, may have left anything. */
import fc from "fast-check";
import * as z from "zod/mini";
import { problem } from "../../../src/contract/problem.ts";
import { createEdgeResponseCache } from "../../../src/edge/stores/response-cache.ts";
import {
  createRedisLimitStore,
  limitKey,
  writeOverride,
} from "../../../src/middleware/rate-limit/limit-store.ts";
import { outcomeOf, writeCacheStatus } from "../../../src/middleware/response-cache/respond.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { evictionFault } from "../../../src/origin/redis/eviction.ts";
import { createRedisEntries } from "../../../src/origin/response-cache/redis.ts";
import { nearTexts } from "../mutate.ts";
import { type Json, nearJson } from "../mutate-json.ts";
import { defineTarget, must, mustEqual } from "../target.ts";

const NOW_MS = 1_800_000_000_000;

const valuesInput = z.object({
  entry: z.nullable(z.string()),
  versions: z.array(z.nullable(z.string())),
  claimed: z.boolean(),
});

export const redisEntries = defineTarget({
  name: "redis-entries",
  files: ["origin/response-cache/redis.ts"],
  schema: valuesInput,
  inputs: (seeds) => {
    const version = fc.oneof(fc.constantFrom("5", null), nearTexts(["5", "1800000000000"]));
    return fc.record({
      entry: fc.oneof(
        { weight: 8, arbitrary: nearJson(seeds.map(({ entry }): Json => JSON.parse(entry ?? "null"))) },
        { weight: 1, arbitrary: fc.constant(null) },
      ),
      versions: fc.oneof(fc.constant<(string | null)[]>(["5", "5"]), fc.array(version, { maxLength: 3 })),
      claimed: fc.boolean(),
    });
  },
  start: () => {
    let reply: z.output<typeof valuesInput> = { entry: null, versions: [], claimed: true };
    let raised: unknown = ["1"];
    const entries = createRedisEntries({
      redis: {
        claimAndRead: async () => {
          if (reply.entry === null && reply.versions.length > 2) throw new Error("Redis is down");
          return { claimed: reply.claimed, values: [reply.entry, ...reply.versions] };
        },
        evaluate: async () => raised,
        set: async () => undefined,
        remove: async () => undefined,
      },
      keyPrefix: "a:",
      programVersion: "1",
      maxLifetimeMs: 60_000,
      log: createLog("silent"),
      now: () => NOW_MS,
    });
    const request = { key: "/v1/products", tags: ["products"], accepts: () => true, moment: () => NOW_MS };
    return {
      run: async (values) => {
        // Without the claim, a request polls until a lease ends.
        reply = { ...values, claimed: true };
        const found = await entries.claim(request);
        must(found !== undefined || reply.entry === null, "Redis has answered");
        if (found === undefined) return;
        if ("response" in found) {
          must(found.response !== null && Array.isArray(found.tags), "an entry of another form");
          new Response("body" in found.response ? found.response.body : null, { status: 200 });
          entries.settle(request.key, { lease: "a", versions: [5] }, found, values.claimed);
        } else entries.settle(request.key, found, undefined, false);
        raised = values.claimed ? values.versions : values.entry;
        entries.invalidate(["other"]);
        await entries.flush().catch((error: unknown) => must(error instanceof TypeError, String(error)));
        raised = ["1"];
        await entries.flush();
      },
    };
  },
});

const replyInput = z.object({ reply: z.string(), error: z.string() });

export const limitReplies = defineTarget({
  name: "limit-replies",
  files: ["middleware/rate-limit/limit-store.ts"],
  schema: replyInput,
  inputs: (seeds) =>
    fc.record({
      reply: nearJson(seeds.map(({ reply }): Json => JSON.parse(reply))),
      error: fc.oneof(
        { weight: 3, arbitrary: fc.constant("") },
        nearTexts(["NOSCRIPT No matching script", "ERR"]),
      ),
    }),
  start: () => {
    const rule = {
      name: "a",
      per: "principal",
      capacity: 10,
      refillPerSecond: 1,
      onStoreFailure: "open",
    } as const;
    return {
      run: async ({ reply: json, error }) => {
        let reply: unknown;
        try {
          reply = JSON.parse(json);
        } catch {
          reply = json;
        }
        let calls = 0;
        const store = createRedisLimitStore({
          keyPrefix: "a:",
          scriptFlags: json.length % 2 === 0 ? undefined : "allow-key-locking",
          run: async () => {
            calls += 1;
            if (error !== "" && calls === 1) throw new Error(error);
            return reply;
          },
        });
        const key = limitKey(rule, { network: "192.0.2.1", principal: "alice" });
        limitKey(rule, { network: "192.0.2.1", principal: undefined });
        const ask = { ...key, rule, need: 1, want: 2, share: 0.5, isDryRun: false };
        const replies = await store.take([ask]).catch((thrown: unknown) => {
          const isPlanned =
            thrown instanceof TypeError || (thrown instanceof Error && thrown.message === error);
          must(isPlanned, `an error of another kind: ${thrown}`);
          return undefined;
        });
        if (replies === undefined) return;
        must(replies.length === 1, "one reply for each bucket");
        for (const { granted, available, waitMs } of replies)
          must(![granted, available, waitMs].some(Number.isNaN), "a number that is none");
        must(/^\S+ \S+$/.test(writeOverride(rule)), "an override");
        evictionFault(json);
        evictionFault(`maxmemory_policy:${json}\nmaxmemory:${calls}`);
      },
    };
  },
});

const storedInput = z.object({
  status: z.number(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body: z.string(),
});

const isFieldValue = (text: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(text);

export const platformCache = defineTarget({
  name: "platform-cache",
  files: ["edge/stores/response-cache.ts", "middleware/response-cache/respond.ts"],
  schema: storedInput,
  inputs: (seeds) => {
    const headers = seeds.flatMap((seed) => seed.headers);
    const near = fc.constantFrom(...headers).chain(([name, value]) =>
      nearTexts([value])
        .filter(isFieldValue)
        .map((text): [string, string] => [name, text]),
    );
    return fc.record({
      status: fc.oneof({ weight: 5, arbitrary: fc.constant(200) }, fc.constantFrom(206, 304, 404, 500)),
      headers: fc.array(fc.oneof(fc.constantFrom<[string, string]>(...headers), near), { maxLength: 6 }),
      body: nearTexts(["{}"]),
    });
  },
  start: () => ({
    run: async ({ status, headers, body }) => {
      const stored = (): Response =>
        new Response([204, 304].includes(status) ? null : body, { status, headers });
      let fills = 0;
      const fail = async (): Promise<never> => {
        throw new Error("the platform's cache failed");
      };
      const cache = createEdgeResponseCache({
        store: {
          match: status === 500 ? fail : async () => stored(),
          put: body.length % 7 === 3 ? fail : async (_, response) => void (await response.text()),
        },
        now: () => NOW_MS,
        log: () => undefined,
      });
      const route = {
        method: "GET",
        path: "/v1/products",
        policy: { auth: "public", cache: { fresh: "5s", staleIfError: "10m", tags: ["products"] } },
        fields: [],
        parameters: [],
      } as const;
      const background: Promise<unknown>[] = [];
      const variables = {
        requestId: "01900000-0000-7000-8000-000000000001",
        target: { origin: "https://a.example", path: "/v1/products", query: "" },
        waitUntil: (work: Promise<unknown>) => void background.push(work),
      };
      for (const detail of ["stale-if-error", "stale-while-revalidate"] as const) outcomeOf({ detail });
      must(outcomeOf({ hit: true }) === "hit" && outcomeOf({}) === "miss", "an outcome");
      const all = {
        hit: true,
        forward: "miss",
        forwardStatus: status,
        ttlS: 1,
        stored: true,
        collapsed: true,
      } as const;
      must(writeCacheStatus("a", { ...all, detail: "stale-if-error" }).startsWith("a; hit"), "a status");
      const handle = cache.handler({
        route: () => route,
        fill: async () => {
          fills += 1;
          if (status === 404) return problem("not_found");
          if (status === 206)
            return { status: 200, headers: { "cache-control": "public, max-age=5" }, body: "x" };
          return new Response("{}", { status: 200, headers: { "cache-control": "public, max-age=5" } });
        },
        waiter: () => ({ deadlineAtMs: NOW_MS + 1_000 }),
      });
      const response = await handle({
        get: (name) => variables[name],
        set: () => undefined,
        req: { method: "GET", header: (name) => (name === "if-none-match" ? '"1"' : undefined) },
      });
      await response.text();
      await Promise.allSettled(background);
      must(
        [200, 304, ...(status === 404 ? [404] : [])].includes(response.status),
        `the cache responded ${response.status}`,
      );
      if (fills === 0)
        mustEqual(response.headers.has("breakwater-entry-times"), false, "the entry's own fields");
    },
  }),
});
