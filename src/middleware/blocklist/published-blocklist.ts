/**
 * The blocklist in Redis, as the edge reads it: one hash with a version (`VERSION_FIELD`) and the compiled list as base64,
 * in parts, so that no Redis command is large.
 */
/** Most networks of a list: 5 MB compiled; an isolate has 128 MB in all. */
export const MAX_ENTRIES = 200_000;

/** Above the compiled size of the largest list. */
export const MAX_BYTES = 8 * 1024 * 1024;

export const publishedBlocklistName = (prefix: string): string => `${prefix}blocklist`;

/** The field with the number of parts, which are named `0`, `1`, … */
export const PARTS_FIELD = "@parts";

/** Characters per part, a multiple of four: only the last part has padding. */
const PART_LENGTH = 256 * 1024;
/** More than the largest list needs. */
const MAX_PARTS = 64;

/** Encoded at a time: a call takes a limited number of arguments. A multiple of three, to avoid padding. */
const CHUNK_BYTES = 3 * 4_096;

const encode = (bytes: Uint8Array): string => {
  let text = "";
  for (let from = 0; from < bytes.byteLength; from += CHUNK_BYTES)
    text += btoa(String.fromCharCode(...bytes.subarray(from, from + CHUNK_BYTES)));
  return text;
};

const decodeWithAtob = (text: string): Uint8Array => {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
};

/** The hash's fields, without the version. */
export const writeParts = (bytes: Uint8Array): Record<string, string> => {
  const text = encode(bytes);
  const count = Math.max(1, Math.ceil(text.length / PART_LENGTH));
  const parts = Array.from({ length: count }, (_, index): [string, string] => [
    String(index),
    text.slice(index * PART_LENGTH, (index + 1) * PART_LENGTH),
  ]);
  return Object.fromEntries([...parts, [PARTS_FIELD, String(count)]]);
};

const COUNT = /^[1-9]\d?$/;

/** The compiled list; undefined if a part is missing or invalid. */
export const readParts = (values: Readonly<Record<string, string>>): Uint8Array | undefined => {
  const count = values[PARTS_FIELD];
  if (count === undefined || !COUNT.test(count) || Number(count) > MAX_PARTS) return undefined;
  let text = "";
  for (let index = 0; index < Number(count); index += 1) {
    const part = values[index];
    if (part === undefined || part.length > PART_LENGTH) return undefined;
    text += part;
  }
  try {
    return Uint8Array.fromBase64?.(text) ?? decodeWithAtob(text);
  } catch {
    return undefined;
  }
};
