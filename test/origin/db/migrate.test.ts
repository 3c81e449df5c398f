import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { readMigrations } from "../../../src/origin/db/migrate.ts";

const FILE = new URL("../../../src/origin/db/migrations/0001-api-keys.sql", import.meta.url);

const migrationWith = async (change: (sql: string) => string) => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-migrations-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "0001-api-keys.sql"), change(await readFile(FILE, "utf8")));
  return await readMigrations([{ name: "platform", url: pathToFileURL(`${folder}/`) }]);
};

test("a migration's checksum is the SHA-256 of its file", async () => {
  const checksum = createHash("sha256")
    .update(await readFile(FILE))
    .digest("hex");
  expect(await readMigrations()).toContainEqual(
    expect.objectContaining({ name: "platform/0001-api-keys", checksum }),
  );
});

test.each([
  ["with the line ends of Windows", (sql: string) => sql.replaceAll("\n", "\r\n")],
  ["with a byte order mark", (sql: string) => `\ufeff${sql}`],
])("a checkout %s has the same migrations", async (_, change) => {
  expect(await migrationWith(change)).toEqual(await migrationWith((sql) => sql));
});
