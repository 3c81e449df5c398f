/** The origin's program does more than serve: in its container there is nothing else to do it with. */
import type { OriginConfiguration } from "../config/configuration.ts";
import type { OriginConfigurationReading } from "../config/read.ts";
import { EXIT } from "../lifecycle/exit-codes.ts";
import type { PlaceCommand } from "./at-place.ts";
import { blockCommand, unblockCommand } from "./block.ts";
import { configCommand } from "./config.ts";
import { keysCommand } from "./keys.ts";
import { limitsCommand } from "./limits.ts";
import { migrateCommand } from "./migrate.ts";
import type { Terminal } from "./terminal.ts";

const USAGE = `usage: main.mjs               serve
       main.mjs config        print the configuration in force
       main.mjs migrate       bring the database to this program's level
       main.mjs keys create|list|revoke …
       main.mjs limits set|list|clear …
       main.mjs block ADDRESS|RANGE … | list
       main.mjs unblock ADDRESS|RANGE
       Each needs the whole configuration, as serving does.`;

interface Command {
  readonly takesArguments: boolean;
  readonly run: (configuration: OriginConfiguration, args: string[], terminal: Terminal) => Promise<number>;
}

const atPlace = (command: PlaceCommand, call: string): Command => ({
  takesArguments: true,
  run: ({ database, redis }, args, terminal) => {
    const { url: redisUrl, token: redisToken, keyPrefix } = redis;
    return command({ databaseUrl: database.url, redisUrl, redisToken, keyPrefix }, args, terminal, call);
  },
});

const COMMANDS: Readonly<Record<string, Command>> = {
  migrate: {
    takesArguments: false,
    run: ({ database }, _, terminal) => migrateCommand(database.url, terminal),
  },
  keys: atPlace(keysCommand, "main.mjs keys"),
  limits: atPlace(limitsCommand, "main.mjs limits"),
  block: atPlace(blockCommand, "main.mjs block"),
  unblock: atPlace(unblockCommand, "main.mjs unblock"),
};

/** @returns the exit code */
export const runCommand = async (
  [name = "", ...args]: readonly string[],
  configuration: OriginConfigurationReading,
  filePath: string | undefined,
  terminal: Terminal,
): Promise<number> => {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const hasTooMany = args.length > 0 && command?.takesArguments !== true;
  if (hasTooMany || (command === undefined && name !== "config")) {
    terminal.fail(`there is no command ${[name, ...args].join(" ")}\n${USAGE}`);
    return EXIT.failure;
  }
  if (command === undefined || !configuration.ok) return configCommand(configuration, filePath, terminal);
  return await command.run(configuration.value, args, terminal);
};
