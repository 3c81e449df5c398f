/**
 * `npm run restore`: loads a backup into a new database, prepares that one (`recover`), and only then gives it the name that
 * the origins connect to: they never see a key that was revoked after the backup. The previous database stays, renamed.
 */
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { useOwnEnvironment } from "../local/environment.ts";
import { LocalError } from "../local/local-error.ts";
import { readTarget, type Target } from "../local/target.ts";
import { decrypted, readIdentity, SUFFIX, timestamp } from "../origin/admin/backup-file.ts";
import { processTerminal, runCommand } from "../origin/admin/cli.ts";
import { flushResponses, recoverCommand, revokedIds } from "../origin/admin/recover.ts";
import { EXIT } from "../origin/lifecycle/exit.ts";
import { createLog } from "../origin/log/log.ts";
import { connectRedis } from "../origin/redis/store.ts";
import { backupsFolder, localIdentity, reportFailure } from "./backup.ts";
import { outputOf, runClient, withDatabase } from "./postgres-client.ts";

const CALL = "npm run restore --";
const USAGE = `${CALL} [FILE] [--identity FILE] [--decrypt-with COMMAND] [--revoked FILE] [--dry-run] [--external]
  FILE            default: the newest in ${relative(process.cwd(), backupsFolder)}
  --identity      of age; default ${relative(process.cwd(), localIdentity)}
  --decrypt-with  a command that decrypts its input instead, such as "gpg --decrypt"
  --revoked       ids of API keys to revoke again, one a line; default: the list in Redis
  --dry-run       restores into a new database, shows what recover would change, and removes the database`;

/** A database that every server has, to create and rename the others from. */
const MAINTENANCE = "template1";

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const newest = async (): Promise<string> => {
  const names = await readdir(backupsFolder).catch(() => []);
  const last = names
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .at(-1);
  if (last === undefined) throw new LocalError(`there is no backup in ${backupsFolder}`);
  return join(backupsFolder, last);
};

/** Statements on the server's databases; several are one transaction, which CREATE and DROP do not allow. */
const administer = (url: string, ...statements: string[]): Promise<string> =>
  runClient("psql", withDatabase(url, MAINTENANCE), [
    ...["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"],
    ...(statements.length > 1 ? ["--single-transaction"] : []),
    ...statements.map((statement) => `--command=${statement}`),
  ]);

/** Gives the restored database the name. The previous one, if there is one, is without connections meanwhile. */
const swap = async (url: string, name: string, restored: string, previous: string): Promise<boolean> => {
  const found = await administer(url, `SELECT 1 FROM pg_database WHERE datname = ${literal(name)}`);
  const take = `ALTER DATABASE ${identifier(restored)} RENAME TO ${identifier(name)}`;
  if (found.trim() === "") {
    await administer(url, take);
    return false;
  }
  const old = identifier(name);
  await administer(url, `ALTER DATABASE ${old} ALLOW_CONNECTIONS false`);
  try {
    const clients = `FROM pg_stat_activity WHERE datname = ${literal(name)}`;
    await administer(url, `SELECT count(pg_terminate_backend(pid)) ${clients}`);
    await administer(url, `ALTER DATABASE ${old} RENAME TO ${identifier(previous)}`, take);
  } catch (error) {
    await administer(url, `ALTER DATABASE ${old} ALLOW_CONNECTIONS true`);
    throw error;
  }
  await administer(url, `ALTER DATABASE ${identifier(previous)} ALLOW_CONNECTIONS true`);
  return true;
};

interface Options {
  readonly dump: Readable;
  /** A file with ids. @default the list in Redis */
  readonly revoked: string | undefined;
  readonly isDry: boolean;
}

/** @returns the exit code */
const restore = async (target: Target, { dump, revoked, isDry }: Options): Promise<number> => {
  const { databaseUrl, redisUrl, redisToken, keyPrefix } = target;
  if (redisUrl === undefined) throw new LocalError("--external: REDIS_URL is missing");
  const name = decodeURIComponent(new URL(databaseUrl).pathname.slice(1));
  const now = timestamp(new Date()).toLowerCase();
  const [restored, previous] = [`${name}_restored_${now}`, `${name}_before_${now}`];
  const restoredUrl = withDatabase(databaseUrl, restored);
  const redis = connectRedis(redisUrl, redisToken, createLog("silent"));
  let isInUse = false;
  try {
    // Loading may take an hour: what `recover` needs is there, or the restore ends now.
    await revokedIds({ redis, keyPrefix }, revoked);
    await administer(databaseUrl, `CREATE DATABASE ${identifier(restored)} TEMPLATE template0`);
    await runClient("pg_restore", restoredUrl, ["--exit-on-error", "--no-owner", "--no-privileges"], dump);
    await runClient("psql", restoredUrl, ["--no-psqlrc", "--quiet", "--command=ANALYZE"]);
    const args = [...(isDry ? ["--dry-run"] : []), ...(revoked === undefined ? [] : ["--revoked", revoked])];
    const prepared = { databaseUrl: restoredUrl, redisUrl, redisToken, keyPrefix };
    const code = await runCommand(recoverCommand, CALL, args, prepared, processTerminal);
    if (code !== EXIT.stopped || isDry) return code;
    const hasPrevious = await swap(databaseUrl, name, restored, previous);
    isInUse = true;
    // What the origins have stored from the previous database since `recover`.
    await flushResponses({ redis, keyPrefix });
    processTerminal.print(`restored: database ${name}`);
    if (hasPrevious)
      processTerminal.print(`previous: database ${previous}; drop it when you no longer need it`);
    return EXIT.stopped;
  } finally {
    await redis.close();
    if (!isInUse)
      await administer(databaseUrl, `DROP DATABASE IF EXISTS ${identifier(restored)} WITH (FORCE)`);
  }
};

/** @returns the exit code @throws LocalError */
const run = async (args: string[]): Promise<number> => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      identity: { type: "string", default: localIdentity },
      "decrypt-with": { type: "string" },
      revoked: { type: "string" },
      "dry-run": { type: "boolean", default: false },
      external: { type: "boolean", default: false },
    },
  });
  const { identity, "decrypt-with": command, revoked, "dry-run": isDry, external } = values;
  const path = positionals[0] ?? (await newest());
  const target = await readTarget(external);
  processTerminal.note(`${target.name}, from ${path}`);
  const file = createReadStream(path);
  const plain =
    command === undefined
      ? decrypted(file, await readIdentity(identity))
      : outputOf("/bin/sh", ["-c", command], { input: file });
  return await restore(target, { dump: Readable.from(plain), revoked, isDry });
};

useOwnEnvironment();
try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  reportFailure(error, USAGE);
}
