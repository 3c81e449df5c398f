import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { StockScripts } from "./stock-scripts.ts";

const BODY = "return 1";
const SCRIPT = `#!lua flags=allow-key-locking\n${BODY}`;
const nameOf = (script: string): string => createHash("sha1").update(script).digest("hex");

test("a script goes without the line that a stock Redis refuses", () => {
  expect(new StockScripts().translate(["EVAL", SCRIPT, "1", "key"])).toEqual(["EVAL", BODY, "1", "key"]);
});

test("a script that has gone once is found by the name that it had", () => {
  const scripts = new StockScripts();
  const byName = ["EVALSHA", nameOf(SCRIPT), "0"] as const;
  expect(scripts.translate(byName)).toEqual(byName);
  scripts.translate(["eval", SCRIPT, "0"]);
  expect(scripts.translate(byName)).toEqual(["EVALSHA", nameOf(BODY), "0"]);
});

test.each([
  [["EVAL", BODY, "0"]],
  [["SET", "key", SCRIPT]],
  [["PING"]],
] as const)("%j goes as it is", (command) => {
  expect(new StockScripts().translate(command)).toEqual(command);
});
