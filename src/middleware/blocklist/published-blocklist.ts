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

/** Characters per part. */
const PART_LENGTH = 256 * 1024;
/** Bytes per part: base64 turns three bytes into four characters. */
const PART_BYTES = (PART_LENGTH / 4) * 3;
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

const decode = (text: string): Uint8Array | undefined => {
  try {
    return Uint8Array.fromBase64?.(text) ?? decodeWithAtob(text);
  } catch {
    return undefined;
  }
};

/** The hash's fields, without the version. */
export const writeParts = (bytes: Uint8Array): Record<string, string> => {
  const count = Math.max(1, Math.ceil(bytes.byteLength / PART_BYTES));
  const parts = Array.from({ length: count }, (_, index): [string, string] => [
    String(index),
    encode(bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES)),
  ]);
  return Object.fromEntries([...parts, [PARTS_FIELD, String(count)]]);
};

const COUNT = /^[1-9]\d?$/;

/** The compiled list; undefined if a part is missing or invalid. */
export const readParts = (values: Readonly<Record<string, string>>): Uint8Array | undefined => {
  const count = values[PARTS_FIELD];
  if (count === undefined || !COUNT.test(count) || Number(count) > MAX_PARTS) return undefined;
  const parts: Uint8Array[] = [];
  for (let index = 0; index < Number(count); index += 1) {
    const text = values[index];
    const part = text === undefined || text.length > PART_LENGTH ? undefined : decode(text);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
};
