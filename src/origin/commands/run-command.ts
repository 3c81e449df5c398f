/** The origin's program does more than serve: in its container there is nothing else to do it with. */
import type { OriginConfigurationReading } from "../configuration/read.ts";
import { EXIT } from "../lifecycle/exit-codes.ts";
import { configCommand } from "./config.ts";
import { keysCommand } from "./keys.ts";
import { migrateCommand } from "./migrate.ts";
import type { Terminal } from "./terminal.ts";

const USAGE = `usage: main.js               serve
       main.js config        print the configuration in force
       main.js migrate       bring the database to this program's level
       main.js keys create|list|revoke …`;

/** @returns the exit code */
export const runCommand = async (
  [name, ...args]: readonly string[],
  configuration: OriginConfigurationReading,
  filePath: string | undefined,
  terminal: Terminal,
): Promise<number> => {
  const isKnown = name === "config" || name === "migrate" || name === "keys";
  if (!isKnown || (name !== "keys" && args.length > 0)) {
    terminal.fail(`there is no command ${[name, ...args].join(" ")}\n${USAGE}`);
    return EXIT.failure;
  }
  if (name === "config" || !configuration.ok) return configCommand(configuration, filePath, terminal);
  const { database, redis } = configuration.value;
  if (name === "migrate") return await migrateCommand(database.url, terminal);
  const place = {
    databaseUrl: database.url,
    redisUrl: redis.url,
    redisToken: redis.token,
    keyPrefix: redis.keyPrefix,
  };
  return await keysCommand(place, args, terminal, "main.js keys");
};
