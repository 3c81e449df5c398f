/** Makes a line fit: the longest texts are cut first, all to the same length, and only then fields go. */
import { byteLength, cutText, jsonText, textBytes } from "./json-text.ts";
import type { Plain, PlainObject } from "./serialize.ts";

/** They stay: without them a line says neither when nor of what. */
export const KEPT: readonly string[] = ["time", "level", "message", "requestId", "trace_id"];

/** No text is cut to less, bytes. */
const FEWEST_BYTES = 64;
/** The message neither to less than this. */
const FEWEST_MESSAGE_BYTES = 2_048;

const mapTexts = (value: Plain, change: (text: string) => string): Plain => {
  if (typeof value === "string") return change(value);
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map((each) => mapTexts(each, change));
  const changed: Record<string, Plain> = Object.create(null);
  for (const [key, each] of Object.entries(value)) changed[key] = mapTexts(each, change);
  return changed;
};

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);

/** Those that stay are not cut, but for the message: they are short. */
const mayBeCut = (key: string): boolean => key === "message" || !KEPT.includes(key);

interface Field {
  readonly key: string;
  readonly value: Plain;
  /** Bytes, without its texts that may be cut; with its comma. */
  readonly frame: number;
  /** Bytes of each text that may be cut. */
  readonly texts: readonly number[];
}

const fieldOf = (key: string, value: Plain): Field => {
  const texts: number[] = [];
  if (mayBeCut(key)) {
    mapTexts(value, (text) => {
      texts.push(textBytes(text));
      return text;
    });
  }
  const whole = byteLength(jsonText({ [key]: value })) - 1;
  return { key, value, frame: whole - texts.reduce((sum, bytes) => sum + bytes, 0), texts };
};

const leastBytes = ({ key, frame, texts }: Field): number => {
  const fewest = key === "message" ? FEWEST_MESSAGE_BYTES : FEWEST_BYTES;
  return texts.reduce((sum, bytes) => sum + Math.min(bytes, fewest), frame);
};

/** To how many bytes each text is cut, so that all of them find room. */
const capFor = (texts: readonly number[], room: number): number => {
  const rising = texts.toSorted((a, b) => a - b);
  let left = room;
  for (const [index, bytes] of rising.entries()) {
    const share = Math.floor(left / (rising.length - index));
    if (bytes > share) return share;
    left -= bytes;
  }
  return Number.POSITIVE_INFINITY;
};

/** The fields that stay when the largest go until the rest could fit. */
const fitting = (fields: readonly Field[], mostBytes: number): readonly Field[] => {
  let bytes = fields.reduce((sum, field) => sum + leastBytes(field), 0);
  const gone = new Set<string>();
  const largestFirst = fields.toSorted((a, b) => leastBytes(b) - leastBytes(a));
  for (const field of largestFirst) {
    if (bytes <= mostBytes) break;
    if (KEPT.includes(field.key)) continue;
    gone.add(field.key);
    bytes -= leastBytes(field);
  }
  return fields.filter(({ key }) => !gone.has(key));
};

/** @returns what takes no more than these bytes as JSON */
export const shorten = (line: PlainObject, mostBytes: number): PlainObject => {
  // Its own two braces, of which each field's comma is one.
  const room = mostBytes - 1;
  const fields = fitting(
    Object.entries(line).map(([key, value]) => fieldOf(key, value)),
    room,
  );
  const frames = fields.reduce((sum, { frame }) => sum + frame, 0);
  const all = fields.flatMap(({ texts }) => texts);
  let cap = capFor(all, room - frames);
  let messageCap = cap;
  if (cap < FEWEST_MESSAGE_BYTES) {
    messageCap = FEWEST_MESSAGE_BYTES;
    const [message = 0] = fields.find(({ key }) => key === "message")?.texts ?? [];
    const others = fields.filter(({ key }) => key !== "message").flatMap(({ texts }) => texts);
    cap = capFor(others, room - frames - Math.min(message, messageCap));
  }
  const shortened: Record<string, Plain> = Object.create(null);
  for (const { key, value } of fields) {
    const most = key === "message" ? messageCap : cap;
    shortened[key] = mayBeCut(key) ? mapTexts(value, (text) => cutText(text, most)) : value;
  }
  return shortened;
};
