/**
 * Cursors of paged lists: the position after which the next page begins, sealed so that a client can neither
 * make one up nor carry it to another list, another filter or another person's.
 */
import { equalInConstantTime, fromBase64, toBase64Url } from "../../lib/encoding.ts";
import type { SigningKey } from "../../middleware/signature/signing-keys.ts";

/** 128 bits of the MAC: as much as a guess at it is worth. */
const MAC_BYTES = 16;

/** Sets a cursor's MAC apart from every other use of the keys. */
const PURPOSE = "breakwater-cursor";

/** What a list is: whose cursors are its own. */
export interface ListIdentity {
  /** The route's operation name. */
  readonly operation: string;
  /** Whose list it is; undefined where it is everybody's. */
  readonly principal: string | undefined;
  /** What of the query chooses the items, in an order of its own. */
  readonly filter: string;
}

const macOf = (
  key: SigningKey,
  { operation, principal, filter }: ListIdentity,
  position: string,
): Uint8Array =>
  key.mac(JSON.stringify([PURPOSE, operation, principal ?? null, filter, position])).slice(0, MAC_BYTES);

/** The cursor of a position. */
export const sealCursor = (key: SigningKey, list: ListIdentity, position: string): string => {
  const text = new TextEncoder().encode(position);
  const sealed = new Uint8Array(MAC_BYTES + text.byteLength);
  sealed.set(macOf(key, list, position));
  sealed.set(text, MAC_BYTES);
  return toBase64Url(sealed);
};

/** The position; undefined where the cursor is not one of this list, by any of the keys. */
export const openCursor = (
  keys: readonly SigningKey[],
  list: ListIdentity,
  cursor: string,
): string | undefined => {
  const sealed = fromBase64(cursor);
  if (sealed === undefined || sealed.byteLength < MAC_BYTES) return undefined;
  const position = decoded(sealed.subarray(MAC_BYTES));
  if (position === undefined) return undefined;
  const mac = sealed.subarray(0, MAC_BYTES);
  return keys.some((key) => equalInConstantTime(mac, macOf(key, list, position))) ? position : undefined;
};

/** A position may begin with what looks like a byte order mark: it stays. */
const EXACTLY = { fatal: true, ignoreBOM: true };

const decoded = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", EXACTLY).decode(bytes);
  } catch {
    return undefined;
  }
};
