/** Processes of the previous level's shop, on the database of this one. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { type Database, unboundScope } from "../../src/origin/db/database.ts";
import { type Migration, migrate, readMigrations } from "../../src/origin/db/migrate.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import type { Servers } from "../support/servers.ts";
import * as before from "./previous-level.ts";

let database: TestDatabase;
let pool: PostgresPool;
let migrations: Migration[];

const unbound = (): Database => pool.within(unboundScope("migrations"));

const product = crypto.randomUUID();
const alice = "alice";

beforeAll(async () => {
  const servers: Servers = inject("servers");
  database = await createDatabase(servers.databaseUrl);
  pool = connectPostgres(database.url, { maxConnections: 8, log: createLog("silent") });
  migrations = await readMigrations();
  const level = migrations.filter(({ name }) => before.LEVEL.includes(name));
  expect(level).toHaveLength(before.LEVEL.length);
  await migrate(unbound(), level);
  await pool.query(before.INSERT_PRODUCT, [product, "Lamp", "Burns.", 100, 1_000]);
});
afterAll(async () => {
  await pool?.close();
  await database?.drop();
});

const place = async (): Promise<string> => {
  const id = crypto.randomUUID();
  const values = [id, alice, [product], [1]];
  const lines = await pool.query<{ created_at: Date | null }>(before.PLACE_ORDER, values);
  expect(lines.map(({ created_at }) => created_at)).toEqual([expect.any(Date)]);
  return id;
};

const stock = async (): Promise<number | undefined> =>
  (await pool.query<{ stock: number }>(before.FIND_PRODUCT, [product]))[0]?.stock;

test("place orders before, during and after the migrations, and none is lost", async () => {
  const placed = [await place()];
  const migrating = migrate(unbound(), migrations);
  placed.push(...(await Promise.all(Array.from({ length: 20 }, place))));
  await migrating;
  placed.push(await place());
  expect(await stock()).toBe(1_000 - placed.length);
  const rows = await pool.query("SELECT id FROM orders WHERE id = ANY ($1::uuid[])", [placed]);
  expect(rows).toHaveLength(placed.length);
});

test("read and cancel orders on the new schema", async () => {
  const id = await place();
  const left = await stock();
  expect(await pool.query(before.CANCEL_ORDER, [id, alice])).toEqual([{ cancelled_at: expect.any(Date) }]);
  expect(await stock()).toBe((left ?? 0) + 1);
  const [order] = await pool.query(before.FIND_ORDER, [id, alice]);
  expect(order).toMatchObject({ id, status: "cancelled", lines: [{ product_id: product, quantity: 1 }] });
});

test("read and change products on the new schema", async () => {
  const [found] = await pool.query<{ version: number }>(before.LIST_PRODUCTS, [null, "lam:*", 10]);
  const changes = [product, found?.version ?? 0, "Lantern", null, null, null];
  expect(await pool.query(before.UPDATE_PRODUCT, changes)).toMatchObject([{ name: "Lantern" }]);
});
