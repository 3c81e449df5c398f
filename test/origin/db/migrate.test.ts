import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { readMigrations } from "../../../src/origin/db/migrate.ts";

const SHOP = new URL("../../../src/origin/api/migrations/0001-shop.sql", import.meta.url);

const shopWith = async (change: (sql: string) => string) => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-migrations-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "0001-shop.sql"), change(await readFile(SHOP, "utf8")));
  return await readMigrations([{ name: "api", url: pathToFileURL(`${folder}/`) }]);
};

test("a migration's checksum is the SHA-256 of its file", async () => {
  const checksum = createHash("sha256")
    .update(await readFile(SHOP))
    .digest("hex");
  expect(await readMigrations()).toContainEqual(expect.objectContaining({ name: "api/0001-shop", checksum }));
});

test.each([
  ["with the line ends of Windows", (sql: string) => sql.replaceAll("\n", "\r\n")],
  ["with a byte order mark", (sql: string) => `\ufeff${sql}`],
])("a checkout %s has the same migrations", async (_, change) => {
  expect(await shopWith(change)).toEqual(await shopWith((sql) => sql));
});
