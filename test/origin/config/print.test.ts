import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeEntries, describeKeys } from "../../../src/origin/config/print.ts";
import { allKeys } from "../../../src/origin/config/schema.ts";
import { read, valid } from "./settings.ts";

test("the values in force are printed in columns", () => {
  const entries = [
    { key: "server.port", shown: "8080", source: "default" },
    { key: "cache.ttl", shown: "5m", source: "app.yaml:3" },
  ];
  expect(describeEntries(entries).split("\n")).toEqual([
    "key          value  from",
    "server.port  8080   default",
    "cache.ttl    5m     app.yaml:3",
  ]);
});

test("every key is printed, once", () => {
  expect(read(valid).entries.map(({ key }) => key)).toEqual(allKeys.map(({ file }) => file));
});

test("every name belongs to one key", () => {
  const names = allKeys.flatMap(({ file, variables }) => [file, ...variables]);
  expect(names.length).toBe(new Set(names).size);
});

test("a printed value that is not secret can be read back", () => {
  const first = read(valid);
  const variables = new Map(allKeys.map((key) => [key.file, key]));
  const printed = first.entries
    .filter(({ key, shown }) => !variables.get(key)?.isSecret && shown !== "not set")
    .map(({ key, shown }) => [variables.get(key)?.variables[0] ?? "", shown]);
  const again = read({ ...valid, ...Object.fromEntries(printed) });
  expect(again.entries.map(({ key, shown }) => [key, shown])).toEqual(
    first.entries.map(({ key, shown }) => [key, shown]),
  );
});

test("the documentation has the table of npm run config -- --markdown", () => {
  const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  expect(page).toContain(describeKeys().trim());
});
