/** PostgreSQL and Redis: embedded ones, or those that the environment names. */
import { join } from "node:path";
import { databaseName } from "../origin/config/urls.ts";
import type { ChildExit } from "./child-process.ts";
import type { CleanupStack } from "./cleanup-stack.ts";
import { LocalError } from "./local-error.ts";
import { startPostgres } from "./postgres.ts";
import { connectRedis as connectExternalRedis, startRedis } from "./redis.ts";
import { stateDir } from "./state-dir.ts";
import { describeExit } from "./supervisor.ts";
import { readEnvironment } from "./target.ts";

export interface StoresOptions {
  /** Whether to use the environment's DATABASE_URL and REDIS_URL instead of embedded servers. */
  readonly external: boolean;
  /** Cancels the start, not parts that have started. */
  readonly signal: AbortSignal;
  /** Receives a line if a part starts or exits unexpectedly. */
  readonly print: (line: string) => void;
}

export const postgresFolder = join(stateDir, "postgres");

/** @throws LocalError if a variable for external servers is missing */
export const startStores = async (options: StoresOptions, cleanups: CleanupStack) => {
  const { signal, print } = options;
  if (options.external) {
    const { databaseUrl, redisUrl } = readEnvironment();
    if (redisUrl === undefined) throw new LocalError("--external: REDIS_URL is missing");
    const redis = await watch("Redis", connectExternalRedis(redisUrl), options, cleanups);
    print(`  ✓ PostgreSQL: database ${databaseName(databaseUrl)} from DATABASE_URL`);
    print(`  ✓ Redis: ${redis.kind} ${redis.version}`);
    return { databaseUrl, redis };
  }
  const redis = await watch("Redis", startRedis({ signal }), options, cleanups);
  print(`  ✓ Redis: ${redis.kind} ${redis.version}`);
  const onNotice = (line: string): void => print(`  ✓ ${line}`);
  const starting = startPostgres({ folder: postgresFolder, signal, onNotice });
  const postgres = await watch("PostgreSQL", starting, options, cleanups);
  print(`  ✓ PostgreSQL on 127.0.0.1:${postgres.port}`);
  return { databaseUrl: postgres.url, redis };
};

/** Registers the part's cleanup once it has started, and reports an exit before it. */
const watch = async <Part extends { readonly exited: Promise<ChildExit>; stop(): Promise<void> }>(
  name: string,
  starting: Promise<Part>,
  { print }: StoresOptions,
  cleanups: CleanupStack,
): Promise<Part> => {
  const part = await starting;
  let isStopping = false;
  cleanups.add(() => {
    isStopping = true;
    return part.stop();
  });
  void part.exited.then((exit) => {
    if (!isStopping) print(`  ! ${name} has exited unexpectedly (${describeExit(exit)})`);
  });
  return part;
};
