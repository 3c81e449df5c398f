/** API keys in PostgreSQL. */
import type { KeyRecord } from "../../../middleware/auth/api-keys.ts";
import type { Database } from "../../db/database.ts";
import { readSnapshot, type Snapshot, withNewVersion } from "../publish.ts";

export interface KeyListing {
  readonly id: string;
  readonly principal: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

const COLUMNS = `id, hash, principal, scopes, (extract(epoch FROM expires_at) * 1000)::bigint AS "expiresAtMs"`;
const VALID = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())";

const INSERT = `INSERT INTO api_keys (id, hash, principal, name, scopes, expires_at)
  VALUES ($1, $2, $3, $4, $5, to_timestamp($6::double precision / 1000))`;

const RESTORE = `${INSERT} ON CONFLICT (id) DO UPDATE SET revoked_at = NULL WHERE api_keys.revoked_at IS NOT NULL`;

const write = async (database: Database, statement: string, key: KeyRecord, name: string): Promise<void> => {
  const { id, hash, principal, scopes, expiresAtMs } = key;
  const values = [id, hash, principal, name, scopes, expiresAtMs];
  await database.query(withNewVersion("keys", `${statement} RETURNING id`), values);
};

export const insertKey = (database: Database, key: KeyRecord, name: string): Promise<void> =>
  write(database, INSERT, key, name);

/** Inserts a key, or makes an existing one valid again; a key that is valid already raises no version. */
export const restoreKey = (database: Database, key: KeyRecord, name: string): Promise<void> =>
  write(database, RESTORE, key, name);

/** @returns false for an unknown or revoked key */
export const revokeKey = async (database: Database, id: string): Promise<boolean> => {
  const revoke = "UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id";
  return (await database.query(withNewVersion("keys", revoke), [id])).length > 0;
};

export const listKeys = (database: Database): Promise<KeyListing[]> =>
  database.query<KeyListing>(
    `SELECT id, principal, name, scopes, expires_at AS "expiresAt", revoked_at AS "revokedAt"
     FROM api_keys ORDER BY created_at, id`,
  );

/** @returns undefined unless the key is valid now */
export const findKey = async (database: Database, id: string): Promise<KeyRecord | undefined> => {
  const statement = `SELECT ${COLUMNS} FROM api_keys WHERE id = $1 AND ${VALID}`;
  const [row] = await database.query<KeyRecord>(statement, [id]);
  return row;
};

/** Every valid key. */
export const keySnapshot = (database: Database): Promise<Snapshot<KeyRecord>> =>
  readSnapshot(database, "keys", `SELECT ${COLUMNS} FROM api_keys WHERE ${VALID}`);
