/** API keys: storage, publication, and the command `keys create|list|revoke`. */

import { randomFillSync } from "node:crypto";
import { parseArgs } from "node:util";
import { keyScopes } from "../../contract/route.ts";
import {
  createKey,
  type KeyRecord,
  publishedKeysName,
  writeKeyRecord,
} from "../../middleware/auth/api-keys.ts";
import type { Database } from "../db/database.ts";
import {
  type Command,
  type CommandContext,
  publishChange,
  readDuration,
  readText,
  subcommands,
  TEXT,
  UsageError,
} from "./cli.ts";
import { type Publication, readSnapshot, withNewVersion } from "./publish.ts";
import { listRevocations } from "./revocations.ts";

const COLUMNS = `id, hash, principal, scopes, (extract(epoch FROM expires_at) * 1000)::bigint AS "expiresAtMs"`;
const VALID = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())";

const INSERT = `INSERT INTO api_keys (id, hash, principal, name, scopes, expires_at)
  VALUES ($1, $2, $3, $4, $5, to_timestamp($6::double precision / 1000))
  ON CONFLICT (id) DO UPDATE SET revoked_at = NULL WHERE api_keys.revoked_at IS NOT NULL RETURNING id`;

/** Inserts a key, or makes a revoked one valid again. A valid key does not raise the version. */
export const insertKey = async (database: Database, key: KeyRecord, name: string): Promise<void> => {
  const { id, hash, principal, scopes, expiresAtMs } = key;
  const values = [id, hash, principal, name, scopes, expiresAtMs];
  await database.query(withNewVersion("keys", INSERT), values);
};

/** @returns false for an unknown or revoked key */
export const revokeKey = async (database: Database, id: string): Promise<boolean> => {
  const revoke = "UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id";
  return (await database.query(withNewVersion("keys", revoke), [id])).length > 0;
};

/** @returns undefined for an unknown, revoked or expired key */
export const findKey = async (database: Database, id: string): Promise<KeyRecord | undefined> => {
  const statement = `SELECT ${COLUMNS} FROM api_keys WHERE id = $1 AND ${VALID}`;
  const [row] = await database.query<KeyRecord>(statement, [id]);
  return row;
};

/**
 * While no origin can reach Redis, published keys may be revoked; once they expire, the edge asks an origin.
 * The TTL spans two and a half rounds of publishing; together with an isolate's cache, a revocation takes at
 * most 10 s.
 */
const TTL_MS = 5_000;

export const keysPublication: Publication = {
  name: "keys",
  title: "API keys",
  hashName: publishedKeysName,
  ttlMs: TTL_MS,
  lockKey: 7_203_419,
  read: async (database) => {
    const query = `SELECT ${COLUMNS} FROM api_keys WHERE ${VALID}`;
    const { version, rows } = await readSnapshot<KeyRecord>(database, "keys", query);
    return { version, fields: Object.fromEntries(rows.map((key) => [key.id, writeKeyRecord(key)])) };
  },
  prepare: listRevocations,
};

const MAX_LIFETIME_DAYS = 9_999;

const create = async (context: CommandContext, args: string[]): Promise<void> => {
  const options = { principal: TEXT, scopes: TEXT, name: TEXT, "expires-in": TEXT };
  const { values } = parseArgs({ args, options });
  const principal = readText("principal", values.principal);
  const name = values.name ? readText("name", values.name) : "";
  const scopes = (values.scopes ?? "").split(",").filter((scope) => scope !== "");
  const validScopes = keyScopes(context.routes);
  const unknown = scopes.filter((scope) => !validScopes.includes(scope));
  if (scopes.length === 0 || unknown.length > 0)
    throw new UsageError(`--scopes ${unknown.join(",")}: choose from ${validScopes.join(", ")}`);
  const lifetimeS = readDuration("expires-in", values["expires-in"], MAX_LIFETIME_DAYS);
  const expiresAtMs = lifetimeS === null ? null : Math.round(Date.now() + lifetimeS * 1_000);
  const { id, key, hash } = createKey((bytes) => randomFillSync(bytes));
  await insertKey(context.pool, { id, hash, principal, scopes, expiresAtMs }, name);
  context.print(`id   ${id}`);
  context.print(`key  ${key}`);
  context.print("Save the key now: it is shown only once, and only its hash is stored.");
  await publishChange(context, keysPublication, `created ${id}`, "valid now");
};

interface KeyListing {
  readonly id: string;
  readonly principal: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly isRevoked: boolean;
  readonly expiresAt: Date | null;
}

const LIST = `SELECT id, principal, name, scopes, revoked_at IS NOT NULL AS "isRevoked", expires_at AS "expiresAt"
  FROM api_keys ORDER BY created_at, id`;

const list = async ({ pool, print }: CommandContext, args: string[]): Promise<void> => {
  parseArgs({ args });
  for (const { id, principal, name, scopes, isRevoked, expiresAt } of await pool.query<KeyListing>(LIST)) {
    const valid = expiresAt === null ? "valid" : `until ${expiresAt.toISOString()}`;
    print([id, principal, scopes.join(","), isRevoked ? "revoked" : valid, name].join("  "));
  }
};

const revoke = async (context: CommandContext, [id]: string[]): Promise<void> => {
  if (id === undefined) throw new UsageError("the id of a key is missing");
  if (!(await revokeKey(context.pool, id))) throw new UsageError(`no key ${id}, or it is revoked already`);
  await publishChange(context, keysPublication, `revoked ${id}`, "rejected everywhere within 10 s");
};

export const keysCommand: Command = {
  usage: [
    "create --principal NAME --scopes SCOPE[,SCOPE] [--name TEXT] [--expires-in 90d]",
    "list",
    "revoke ID",
  ],
  run: subcommands({ create, list, revoke }),
};
