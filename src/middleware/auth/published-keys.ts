/** API keys in Redis, as the edge reads them: one hash with a field per key, and a version. */
import type { KeyRecord } from "./api-key.ts";

export const publishedKeysName = (prefix: string): string => `${prefix}keys`;

/** The field with the snapshot's version; the id of a key never begins with `@`. */
export const VERSION_FIELD = "@version";

export const writeKeyRecord = ({ id: _, ...record }: KeyRecord): string => JSON.stringify(record);

/** Undefined unless `writeKeyRecord` could have written the text. */
export const readKeyRecord = (id: string, text: string): KeyRecord | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? { ...value, id } : undefined;
  } catch {
    return undefined;
  }
};

const isRecord = (value: unknown): value is Omit<KeyRecord, "id"> =>
  typeof value === "object" &&
  value !== null &&
  "hash" in value &&
  typeof value.hash === "string" &&
  "principal" in value &&
  typeof value.principal === "string" &&
  value.principal.isWellFormed() &&
  "scopes" in value &&
  Array.isArray(value.scopes) &&
  value.scopes.every((scope) => typeof scope === "string") &&
  "expiresAtMs" in value &&
  (value.expiresAtMs === null || typeof value.expiresAtMs === "number");
