/** API keys in PostgreSQL. Every change raises the snapshot's version in the same statement. */
import type { KeyRecord } from "../../middleware/auth/api-key.ts";
import type { Database, SqlValue } from "../db/database.ts";
import { raiseVersion, VERSION } from "../snapshots/version.ts";

export interface KeyListing {
  readonly id: string;
  readonly principal: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

const RAISE_VERSION = raiseVersion("keys");

const COLUMNS = `id, hash, principal, scopes, (extract(epoch FROM expires_at) * 1000)::bigint AS "expiresAtMs"`;
const LIVE = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())";

const INSERT = `INSERT INTO api_keys (id, hash, principal, name, scopes, expires_at)
  VALUES ($1, $2, $3, $4, $5, to_timestamp($6::double precision / 1000))`;

const insertValues = (record: KeyRecord, name: string): SqlValue[] => {
  const { id, hash, principal, scopes, expiresAtMs } = record;
  return [id, hash, principal, name, scopes, expiresAtMs];
};

export const insertKey = async (database: Database, record: KeyRecord, name: string): Promise<void> => {
  await database.query(
    `WITH changed AS (${INSERT} RETURNING id) ${RAISE_VERSION}`,
    insertValues(record, name),
  );
};

/** The same for a key that may be there already: it is valid again, and raises the version only if it was not. */
export const restoreKey = async (database: Database, record: KeyRecord, name: string): Promise<void> => {
  const restore = "ON CONFLICT (id) DO UPDATE SET revoked_at = NULL WHERE api_keys.revoked_at IS NOT NULL";
  await database.query(
    `WITH changed AS (${INSERT} ${restore} RETURNING id) ${RAISE_VERSION}`,
    insertValues(record, name),
  );
};

/** Whether there was such a key and it was not revoked yet. */
export const revokeKey = async (database: Database, id: string): Promise<boolean> => {
  const rows = await database.query(
    `WITH changed AS (
       UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id
     ) ${RAISE_VERSION} RETURNING version`,
    [id],
  );
  return rows.length > 0;
};

export const listKeys = (database: Database): Promise<KeyListing[]> =>
  database.query<KeyListing>(
    `SELECT id, principal, name, scopes, created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt"
     FROM api_keys ORDER BY created_at, id`,
  );

/** A key that may be used now. */
export const findKey = async (database: Database, id: string): Promise<KeyRecord | undefined> => {
  const [row] = await database.query<KeyRecord>(`SELECT ${COLUMNS} FROM api_keys WHERE id = $1 AND ${LIVE}`, [
    id,
  ]);
  return row;
};

/** Every key that may be used now, and the version of that set: one statement, so that they belong together. */
export const keySnapshot = async (database: Database): Promise<{ version: string; records: KeyRecord[] }> => {
  const rows = await database.query<{ version: string } & { [K in keyof KeyRecord]: KeyRecord[K] | null }>(
    `SELECT ${VERSION} AS version, ${COLUMNS} FROM published_snapshots s LEFT JOIN api_keys ON ${LIVE} WHERE s.name = 'keys'`,
  );
  const records = rows.flatMap(({ id, hash, principal, scopes, expiresAtMs }) =>
    id === null || hash === null || principal === null || scopes === null
      ? []
      : [{ id, hash, principal, scopes, expiresAtMs }],
  );
  return { version: rows[0]?.version ?? "", records };
};
