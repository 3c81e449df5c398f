/**
 * The command `recover`: what a database needs after it was restored, whichever way, and before clients use it. It may run
 * again, and must once the origins use the database: until then they fill the cache from the previous one.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createLog } from "../log/log.ts";
import { LIFETIME } from "../middleware/idempotency.ts";
import { EVERYTHING } from "../response-cache/pending-invalidations.ts";
import { createRedisEntries } from "../response-cache/redis.ts";
import { type Command, type CommandContext, TEXT, UsageError } from "./cli.ts";
import { readRevocations } from "./revocations.ts";

const IS_VALID = "id = ANY ($1) AND revoked_at IS NULL";
const VALID = `SELECT id, principal FROM api_keys WHERE ${IS_VALID}`;
const REVOKE = `UPDATE api_keys SET revoked_at = now() WHERE ${IS_VALID} RETURNING id, principal`;

/** Without it, Redis might already have the version that the restored database counts up to, of other content. */
const NEW_EPOCHS = "UPDATE published_snapshots SET epoch = gen_random_uuid()";

/** Every repetition of an earlier request is in the restored records, or they have expired. */
const LAST_RECORD = `SELECT max(expires_at) - interval '${LIFETIME}' AS "at" FROM idempotency_records`;

/** Longer than any response is stored, milliseconds. */
const MAX_LIFETIME_MS = 365 * 86_400_000;

/** Invalidates the responses that the origins share: they may be newer than the database. */
export const flushResponses = async ({
  redis,
  keyPrefix,
}: Pick<CommandContext, "redis" | "keyPrefix">): Promise<void> => {
  const entries = createRedisEntries({
    ...{ redis, keyPrefix, programVersion: "", log: createLog("silent"), now: Date.now },
    maxLifetimeMs: MAX_LIFETIME_MS,
  });
  entries.invalidate([EVERYTHING]);
  await entries.flush();
};

/** One id a line. @throws UsageError */
const readIds = async (path: string): Promise<string[]> => {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new UsageError(`--revoked ${path}: ${String(error)}`);
  });
  return text.split(/\s+/).filter((id) => id !== "");
};

/** @throws UsageError if no list of revocations can be read */
export const revokedIds = async (
  context: Pick<CommandContext, "redis" | "keyPrefix">,
  path: string | undefined,
): Promise<string[]> => {
  if (path !== undefined) return await readIds(path);
  const listed = await readRevocations(context).catch((error: unknown) => String(error));
  if (Array.isArray(listed)) return listed;
  const reason = listed === undefined ? "it was emptied" : listed;
  throw new UsageError(
    `Redis has no list of revoked keys (${reason}): pass --revoked FILE with the ids that were revoked after the backup, one a line`,
  );
};

const recover = async (context: CommandContext, args: string[]): Promise<void> => {
  const options = { "dry-run": { type: "boolean", default: false }, revoked: TEXT } as const;
  const { values } = parseArgs({ args, options });
  const { pool, print } = context;
  const isDry = values["dry-run"];
  const ids = await revokedIds(context, values.revoked);
  const revoked = await pool.transaction(async (transaction) => {
    if (!isDry) await transaction.query(NEW_EPOCHS);
    return await transaction.query<{ id: string; principal: string }>(isDry ? VALID : REVOKE, [ids]);
  });
  if (!isDry) await flushResponses(context);
  const would = isDry ? "would be " : "";
  print(`known revocations: ${ids.length}; ${would}revoked again: ${revoked.length}`);
  for (const { id, principal } of revoked) print(`  ${id}  ${principal}`);
  print(`published keys, limits and blocks: ${would}published again, as a new epoch`);
  print(`shared responses in Redis: ${would}flushed`);
  const [record] = await pool.query<{ at: Date | null }>(LAST_RECORD);
  print(`last Idempotency-Key in the database: ${record?.at?.toISOString() ?? "none"}`);
  print(`  Clients that repeat a request from after it, within ${LIFETIME}, execute it again: inform them.`);
};

export const recoverCommand: Command = { usage: ["[--dry-run] [--revoked FILE]"], run: recover };
