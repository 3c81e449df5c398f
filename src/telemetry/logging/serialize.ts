/**
 * Makes of whatever is to be logged what JSON can hold, without secrets and of a bounded size: nothing that a value
 * does when it is read, throwing, changing, going round in a circle, gets out.
 */
import { isOnlySecretName, isSecretName, MASK, redact } from "./redact.ts";

export type Plain = string | number | boolean | null | readonly Plain[] | PlainObject;
export interface PlainObject {
  readonly [key: string]: Plain;
}

/** How far a value is looked into. */
const MAX_DEPTH = 8;
const MAX_ITEMS = 100;
const MAX_VALUES = 1_000;
const MAX_CAUSES = 5;
/** UTF-16 code units of all texts together; a line holds a quarter of it. */
const MAX_UNITS = 65_536;
const MAX_KEY_UNITS = 128;
/** No secret is longer; so one that was cut in two, and not seen for that, is in the last ones. */
const LONGEST_SECRET = 1_024;

const UNREADABLE = "[unreadable]";

export interface Reader {
  /** What JSON can hold of it; undefined where there is nothing to say. */
  value(value: unknown): Plain | undefined;
  /** The same of what stands under a key. */
  field(holder: object, key: string): Plain | undefined;
  /** A key, without secrets. */
  key(key: string): string;
  /** Whether something was left out. */
  readonly hasCut: boolean;
}

const read = (holder: object, key: string): unknown => Reflect.get(holder, key);

/** For one line. */
export const createReader = (): Reader => {
  let valuesLeft = MAX_VALUES;
  let unitsLeft = MAX_UNITS;
  let hasCut = false;
  /** Those around the value that is being read. */
  const around: object[] = [];

  const cut = (instead: string): string => {
    hasCut = true;
    return instead;
  };

  const text = (given: string): string => {
    if (given.length <= unitsLeft) {
      unitsLeft -= given.length;
      return redact(given.toWellFormed());
    }
    const near = redact(given.slice(0, unitsLeft).toWellFormed());
    unitsLeft = 0;
    return cut(`${near.slice(0, -LONGEST_SECRET).toWellFormed()}…`);
  };

  const keyText = (key: string): string => {
    if (key.length <= MAX_KEY_UNITS) return redact(key.toWellFormed());
    const near = redact(key.slice(0, MAX_KEY_UNITS + 2 * LONGEST_SECRET).toWellFormed());
    const sure = key.length > MAX_KEY_UNITS + LONGEST_SECRET ? near.slice(0, -LONGEST_SECRET) : near;
    return cut(`${sure.slice(0, MAX_KEY_UNITS).toWellFormed()}…`);
  };

  const list = (values: Iterable<unknown>): Plain[] => {
    const items: Plain[] = [];
    let before: unknown;
    for (const each of values) {
      if (items.length >= MAX_ITEMS || valuesLeft <= 0) {
        items.push(cut("…"));
        break;
      }
      const isSecret = typeof before === "string" && isOnlySecretName(before) && each !== undefined;
      items.push(isSecret ? MASK : (safely(each) ?? null));
      before = each;
    }
    return items;
  };

  const object = (holder: object, keys: readonly string[]): PlainObject => {
    const fields: Record<string, Plain> = Object.create(null);
    for (const key of keys) {
      if (valuesLeft <= 0) {
        fields["…"] = cut("…");
        break;
      }
      const value = field(holder, key);
      if (value !== undefined) fields[keyText(key)] = value;
    }
    return fields;
  };

  const error = (given: Error, causesLeft: number): PlainObject => {
    const fields: Record<string, Plain> = Object.create(null);
    for (const key of ["name", "message", "code", "stack"]) {
      const value = field(given, key);
      if (value !== undefined) fields[key] = value;
    }
    const cause = read(given, "cause");
    if (cause instanceof Error) {
      fields["cause"] = causesLeft > 0 ? inside(cause, () => error(cause, causesLeft - 1)) : cut("…");
    } else if (cause !== undefined) {
      fields["cause"] = safely(cause) ?? null;
    }
    const errors = read(given, "errors");
    if (Array.isArray(errors)) fields["errors"] = safely(errors) ?? null;
    return fields;
  };

  /** Whatever a value does while it is read. */
  const inside = (holder: object, look: () => Plain): Plain => {
    if (around.includes(holder)) return "[circular]";
    if (around.length >= MAX_DEPTH) return cut("[deep]");
    around.push(holder);
    try {
      return look();
    } catch {
      return UNREADABLE;
    } finally {
      around.pop();
    }
  };

  const look = (given: object): Plain => {
    if (given instanceof Error) return error(given, MAX_CAUSES);
    if (given instanceof Date) return Number.isNaN(given.getTime()) ? "[invalid date]" : given.toISOString();
    if (ArrayBuffer.isView(given)) return `[${given.byteLength} bytes]`;
    const toJson = read(given, "toJSON");
    if (typeof toJson === "function") return safely(Reflect.apply(toJson, given, [])) ?? null;
    if (Array.isArray(given) || given instanceof Set || given instanceof Map) return list(given);
    return object(given, Object.keys(given));
  };

  const plain = (given: unknown): Plain | undefined => {
    valuesLeft -= 1;
    switch (typeof given) {
      case "string":
        return text(given);
      case "number":
        return Number.isFinite(given) ? given : String(given);
      case "boolean":
        return given;
      case "bigint":
        return text(String(given));
      case "undefined":
        return undefined;
      case "symbol":
        return "[symbol]";
      case "function":
        return "[function]";
      case "object":
        return given === null ? null : inside(given, () => look(given));
      default:
        return UNREADABLE;
    }
  };

  const safely = (given: unknown): Plain | undefined => {
    try {
      return plain(given);
    } catch {
      return UNREADABLE;
    }
  };

  const field = (holder: object, key: string): Plain | undefined => {
    try {
      const value = read(holder, key);
      // Yes or no, or that there is nothing, is no secret.
      const isOpen = typeof value === "boolean" || value === null || value === undefined;
      return isSecretName(key) && !isOpen ? MASK : plain(value);
    } catch {
      return UNREADABLE;
    }
  };

  return {
    value: safely,
    field,
    key: keyText,
    get hasCut() {
      return hasCut;
    },
  };
};
