import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeKeys } from "../../../src/origin/config/print.ts";

test("the documentation has the table of npm run config -- --markdown", () => {
  const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  expect(page).toContain(describeKeys().trim());
});
