import { expect, test } from "vitest";
import { runMain } from "../../../src/origin/admin/commands.ts";
import { EXIT } from "../../../src/origin/lifecycle/exit.ts";
import { read, valid } from "../config/settings.ts";

/** Nothing listens on these ports. */
const configuration = read({
  ...valid,
  DATABASE_URL: "postgres://127.0.0.1:9/none",
  REDIS_URL: "http://127.0.0.1:9",
  REDIS_TOKEN: "token",
});

const failureOf = async (...words: string[]): Promise<string> => {
  const failures: string[] = [];
  const fail = (line: string): void => void failures.push(line);
  const code = await runMain(words, configuration, undefined, { print: () => undefined, fail });
  expect(code).toBe(EXIT.failure);
  return failures.join("\n");
};

test.each([
  [["serve"], "unknown command: serve"],
  [["toString"], "unknown command: toString"],
  [["config", "now"], "unknown command: config now"],
  [["migrate", "now"], "unknown command: migrate now"],
  [["keys", "destroy"], "unknown command: destroy\nusage: main.mjs keys create"],
  [["limits"], "missing command\nusage: main.mjs limits set"],
  [["limits", "clear", "--principal", ""], "--principal is missing"],
  [["limits", "list"], "cannot reach the database"],
])("%j fails with a reason", async (words, reason) => {
  expect(await failureOf(...words)).toContain(reason);
});
