import { expect, test } from "vitest";
import { runCommand } from "../../../src/origin/commands/run-command.ts";
import { EXIT } from "../../../src/origin/lifecycle/exit-codes.ts";
import { read, valid } from "../config/settings.ts";

/** Nothing listens there. */
const configuration = read({
  ...valid,
  DATABASE_URL: "postgres://127.0.0.1:9/none",
  REDIS_URL: "http://127.0.0.1:9",
  REDIS_TOKEN: "token",
});

const failureOf = async (...words: string[]): Promise<string> => {
  const failures: string[] = [];
  const fail = (line: string): void => void failures.push(line);
  const code = await runCommand(words, configuration, undefined, { print: () => undefined, fail });
  expect(code).toBe(EXIT.failure);
  return failures.join("\n");
};

test.each([
  [["serve"], "there is no command serve"],
  [["toString"], "there is no command toString"],
  [["config", "now"], "there is no command config now"],
  [["migrate", "now"], "there is no command migrate now"],
  [["keys", "destroy"], "there is no command destroy\nusage: main.mjs keys create"],
  [["limits"], "a command is missing\nusage: main.mjs limits set"],
  [["limits", "clear", "--principal", ""], "--principal is missing"],
  [["limits", "list"], "the database cannot be reached"],
])("%j fails with a reason", async (words, reason) => {
  expect(await failureOf(...words)).toContain(reason);
});
