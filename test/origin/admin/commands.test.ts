import { expect, test } from "vitest";
import { type Command, runCommand } from "../../../src/origin/admin/cli.ts";
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
  const code = await runMain(words, configuration, undefined, {
    print: () => undefined,
    note: () => undefined,
    fail,
  });
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

test("a command says which database it works on, without the password", async () => {
  const notes: string[] = [];
  const url = "postgres://u:secret@127.0.0.1:9/none";
  const reading = read({ ...valid, DATABASE_URL: url });
  const note = (line: string): void => void notes.push(line);
  const terminal = { print: () => undefined, fail: () => undefined, note };
  await runMain(["limits", "list"], reading, undefined, terminal);
  expect(notes).toEqual(["database 127.0.0.1:9/none from DATABASE_URL"]);
});

test("what a command prints from the database is escaped", async () => {
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  const command: Command = {
    usage: [],
    run: async (context) => context.print("192.0.2.1  forever  operator  \u001b[2J\r"),
  };
  const target = {
    databaseUrl: "postgres://127.0.0.1:9/none",
    redisUrl: "http://127.0.0.1:9",
    keyPrefix: "x:",
  };
  const terminal = { print, fail: print, note: print };
  await runCommand(command, "block", [], { ...target, redisToken: "token" }, terminal);
  expect(lines).toEqual(["192.0.2.1  forever  operator  \\u001b[2J\\u000d"]);
});
