import { contract } from "../../src/contract/contract.ts";
import type { Command, CommandContext } from "../../src/origin/admin/cli.ts";
import type { System } from "./system.ts";

/** Runs an operator's command against the system. @returns what it prints */
export const runCommand = async (
  { pool, redis, keyPrefix }: System,
  command: Command,
  args: readonly string[],
  context: Partial<CommandContext> = {},
): Promise<string> => {
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  await command.run({ pool, redis, keyPrefix, routes: contract, print, ...context }, [...args]);
  return lines.join("\n");
};
