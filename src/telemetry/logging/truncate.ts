/** Makes a line fit: all texts are cut to the same length, so that the longest lose most; only then fields go. */
import { byteLength, cutText, jsonText } from "./json-text.ts";
import type { Plain, PlainObject } from "./serialize.ts";

/** They stay: without them a line says neither when nor of what. */
export const KEPT: readonly string[] = ["time", "level", "message", "requestId", "trace_id"];

/** The lengths that are tried, bytes. */
const CAPS_BYTES = [15_360, 12_288, 8_192, 4_096, 2_048, 1_024, 512, 256, 128, 64];
/** The message is not cut to less, bytes. */
const MIN_MESSAGE_BYTES = 2_048;

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);

const withCutTexts = (value: Plain, capBytes: number): Plain => {
  if (typeof value === "string") return cutText(value, capBytes);
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map((each) => withCutTexts(each, capBytes));
  const changed: Record<string, Plain> = Object.create(null);
  for (const [key, each] of Object.entries(value)) changed[key] = withCutTexts(each, capBytes);
  return changed;
};

const sizeOf = (value: Plain | undefined): number => byteLength(jsonText(value));

/** @returns what takes no more than these bytes as JSON */
export const shorten = (line: PlainObject, maxBytes: number): PlainObject => {
  let shortened: Record<string, Plain> = Object.create(null);
  for (const cap of CAPS_BYTES) {
    shortened = Object.create(null);
    for (const [key, value] of Object.entries(line)) {
      const isWhole = KEPT.includes(key) && key !== "message";
      const capBytes = key === "message" ? Math.max(cap, MIN_MESSAGE_BYTES) : cap;
      shortened[key] = isWhole ? value : withCutTexts(value, capBytes);
    }
    if (sizeOf(shortened) <= maxBytes) return shortened;
  }
  const largestFirst = Object.keys(shortened)
    .filter((key) => !KEPT.includes(key))
    .toSorted((a, b) => sizeOf(shortened[b]) - sizeOf(shortened[a]));
  for (const key of largestFirst) {
    delete shortened[key];
    if (sizeOf(shortened) <= maxBytes) break;
  }
  return shortened;
};
