import { expect, test } from "vitest";
import { allKeys } from "../../../src/origin/config/configuration.ts";
import { describeEntries, describeKeys } from "../../../src/origin/config/describe.ts";
import { read, valid } from "./settings.ts";

test("what is in force stands in columns", () => {
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

test("every name is one key's", () => {
  const names = allKeys.flatMap(({ file, variable, alsoVariable }) =>
    [file, variable, alsoVariable ?? []].flat(),
  );
  expect(names.length).toBe(new Set(names).size);
});

test("what is printed of a value that is no secret reads back as that value", () => {
  const first = read(valid);
  const variables = new Map(allKeys.map((key) => [key.file, key]));
  const printed = first.entries
    .filter(({ key, shown }) => !variables.get(key)?.isSecret && shown !== "not set")
    .map(({ key, shown }) => [variables.get(key)?.variable ?? "", shown]);
  const again = read({ ...valid, ...Object.fromEntries(printed) });
  expect(again.entries.map(({ key, shown }) => [key, shown])).toEqual(
    first.entries.map(({ key, shown }) => [key, shown]),
  );
});

test("the documentation has a row for every key, of four cells, and a default that is right", () => {
  const [head, rule, file, ...rows] = describeKeys().split("\n");
  expect([head, rule]).toEqual([
    "| In the file | In the environment | Default | Meaning |",
    "| --- | --- | --- | --- |",
  ]);
  expect(file).toContain("`CONFIG_FILE` | `/app/config/app.yaml`");
  expect(rows).toHaveLength(allKeys.length);
  for (const row of rows) expect(row.split(" | ")).toHaveLength(4);
  for (const key of allKeys) expect(key.read(undefined).ok).toBe(!key.isRequired);
  expect(rows.at(-1)).toContain("| `signing_keys` | `SIGNING_KEYS` | required | The keys between the tiers");
});
