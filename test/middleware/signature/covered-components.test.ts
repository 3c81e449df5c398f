import { describe, expect, test } from "vitest";
import {
  COVERED_FIELDS,
  coveredComponents,
  REQUIRED_FIELDS,
} from "../../../src/middleware/signature/covered-components.ts";

const target = { method: "GET", authority: "origin.test:8080", path: "/v1/orders", query: "?limit=2" };
const covered = (headers: Readonly<Record<string, string>>, of = target) =>
  coveredComponents(of, (name) => headers[name]);

describe("coveredComponents", () => {
  test("begins with what the request is for", () => {
    expect(covered({})).toEqual([
      ["@method", "GET"],
      ["@authority", "origin.test:8080"],
      ["@path", "/v1/orders"],
      ["@query", "?limit=2"],
    ]);
  });

  test("counts an absent query as an empty one", () => {
    expect(covered({}, { ...target, query: "" })).toContainEqual(["@query", "?"]);
  });

  test("covers a field that the request has, and only those", () => {
    const names = covered({ "content-type": "application/json", accept: "*/*" }).map(([name]) => name);
    expect(names).toEqual(["@method", "@authority", "@path", "@query", "content-type"]);
  });

  test("keeps one order, whatever the order of the fields", () => {
    const headers = Object.fromEntries([...COVERED_FIELDS].reverse().map((name) => [name, "x"]));
    expect(
      covered(headers)
        .map(([name]) => name)
        .slice(4),
    ).toEqual([...COVERED_FIELDS]);
  });

  test("takes a field's value without the white space around it", () => {
    expect(covered({ "if-match": ' "1"\t' })).toContainEqual(["if-match", '"1"']);
  });

  test("covers a field that is empty", () => {
    expect(covered({ "if-match": "" })).toContainEqual(["if-match", ""]);
  });
});

test("every required field is one that is covered", () => {
  expect(COVERED_FIELDS).toEqual(expect.arrayContaining([...REQUIRED_FIELDS]));
});
