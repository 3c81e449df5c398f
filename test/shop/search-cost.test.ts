/** What a search costs the database, in blocks: the same on every machine. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import * as z from "zod/mini";
import { searchWords } from "#api/contract/products.ts";
import { handleListProducts } from "#api/origin/products.ts";
import { unboundScope } from "../../src/origin/db/database.ts";
import { migrate, readMigrations } from "../../src/origin/db/migrate.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import type { Servers } from "../support/servers.ts";

const PRODUCTS = 6_000;
/** A product has one of the kinds and one of the things, never two of either. */
const INSERT = `
INSERT INTO products (id, name, description, price_minor, stock)
SELECT gen_random_uuid(), (ARRAY['storm','mooring','brass','oilskin'])[1 + n % 4] || ' ' ||
    (ARRAY['lantern','rope','compass'])[1 + n % 3] || ' no' || n,
  'an article in the catalog, as it is: ' || md5(n::text) || ' ' || md5((-n)::text), n, 1
FROM generate_series(1, $1::int) n`;

let database: TestDatabase;
let pool: PostgresPool;

beforeAll(async () => {
  const servers: Servers = inject("servers");
  database = await createDatabase(servers.databaseUrl);
  pool = connectPostgres(database.url, { maxConnections: 2, log: createLog("silent") });
  const unbound = pool.within(unboundScope("test"));
  await migrate(unbound, await readMigrations());
  await unbound.query(INSERT, [PRODUCTS]);
  // Otherwise every search would read the index's list of pending entries.
  await unbound.query("SELECT gin_clean_pending_list('products_search'::regclass)");
  await unbound.query("ANALYZE products");
});
afterAll(async () => {
  await pool?.close();
  await database?.drop();
});

const Plan = z.array(
  z.object({
    Plan: z.object({ "Shared Hit Blocks": z.number(), "Shared Read Blocks": z.number() }),
  }),
);

/** The blocks that the list's statement reads. */
const blocks = async (q?: string): Promise<number> => {
  const read: number[] = [];
  const explained = async (text: string, values: Parameters<PostgresPool["query"]>[1]) => {
    const [row] = await pool.query<{ "QUERY PLAN": unknown }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      values,
      { plan: "generic" },
    );
    for (const { Plan: plan } of Plan.parse(row?.["QUERY PLAN"]))
      read.push(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]);
    return [];
  };
  await handleListProducts(
    { params: undefined, query: { q, limit: 20 }, headers: undefined, body: undefined, principal: undefined },
    {
      database: { query: explained, transaction: () => Promise.reject(new Error("not here")) },
      cursors: { open: () => undefined, seal: () => "" },
      cache: { invalidate: () => undefined },
      signal: new AbortController().signal,
      requestId: undefined,
      log: createLog("silent"),
      fetch: () => Promise.reject(new Error("not here")),
      settings: {},
    },
  );
  return read.reduce((sum, each) => sum + each, 0);
};

test("the contract separates words as the database does", async () => {
  const split = await pool.query<{ n: number }>(
    `SELECT n FROM generate_series(1, 65535) n
     WHERE n NOT BETWEEN 55296 AND 57343 AND search_words('a' || chr(n) || 'b') = ARRAY['a', 'b']`,
  );
  const all = Array.from({ length: 65_535 }, (_, index) => index + 1);
  const own = all.filter((n) => searchWords(`a${String.fromCharCode(n)}b`) === "a b");
  expect(own).toEqual(split.map(({ n }) => n));
});

test.each([
  ["one that every product has", "ar"],
  ["six that every product has", "an ar in th ca as"],
  ["two that only different products have", "storm mooring"],
  ["many that only different products have", "storm mooring brass oilskin lantern rope"],
  ["one that few products have", "no77"],
  ["one that no product has", "zzzz"],
  ["one character", "a"],
  ["one word fifty times", "a ".repeat(50)],
])("a search for words costs at most twenty times as much as a page: %s", async (_, q) => {
  await blocks();
  await blocks(q);
  expect(await blocks(q)).toBeLessThanOrEqual(20 * (await blocks()));
});
