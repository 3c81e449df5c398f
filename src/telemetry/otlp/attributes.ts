/** Attributes in OTLP's JSON (opentelemetry-proto, "JSON Protobuf Encoding"; ProtoJSON of the protobuf docs). */

export type AttributeValue = string | number | bigint | boolean | readonly AttributeValue[];

/** 64-bit integers are text; so is what JSON's numbers lack. */
export type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number | "NaN" | "Infinity" | "-Infinity" }
  | { readonly arrayValue: { readonly values: readonly AnyValue[] } };

export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

const doubleValue = (value: number): AnyValue => {
  if (Number.isFinite(value)) return { doubleValue: value };
  if (Number.isNaN(value)) return { doubleValue: "NaN" };
  return { doubleValue: value > 0 ? "Infinity" : "-Infinity" };
};

/** A whole number is an integer, as far as it is exact. @param maxLength of a text: what is longer is cut */
export const anyValue = (value: AttributeValue, maxLength = Number.POSITIVE_INFINITY): AnyValue => {
  switch (typeof value) {
    case "string":
      // One lone surrogate is no UTF-8, and a receiver refuses the whole request for it.
      return { stringValue: (value.length > maxLength ? value.slice(0, maxLength) : value).toWellFormed() };
    case "boolean":
      return { boolValue: value };
    case "number":
      return Number.isSafeInteger(value) ? { intValue: String(value) } : doubleValue(value);
    case "bigint":
      return BigInt.asIntN(64, value) === value ? { intValue: String(value) } : doubleValue(Number(value));
    default:
      return { arrayValue: { values: value.map((each) => anyValue(each, maxLength)) } };
  }
};

/** Without those that have no value. @param maxLength of each text: what is longer is cut @default none is */
export const attributes = (
  values: Readonly<Record<string, AttributeValue | null | undefined>>,
  maxLength?: number,
): readonly KeyValue[] => {
  const list: KeyValue[] = [];
  for (const [key, value] of Object.entries(values)) {
    if (value !== null && value !== undefined) {
      list.push({ key: key.toWellFormed(), value: anyValue(value, maxLength) });
    }
  }
  return list;
};

const NS_PER_MS = 1_000_000;
/** The last millisecond that 64 bits of nanoseconds can tell, less one. */
const LATEST_MS = 18_446_744_073_708;

/**
 * Exact: the whole milliseconds are written down, never multiplied; a fraction is rounded to the nanosecond.
 *
 * @param ms epoch milliseconds
 * @returns "0", which to OTLP is an unknown time, where it is no time of the epoch
 */
export const nanoseconds = (ms: number): string => {
  if (!(ms >= 0 && ms <= LATEST_MS)) return "0";
  let whole = Math.floor(ms);
  let rest = Math.round((ms - whole) * NS_PER_MS);
  if (rest === NS_PER_MS) {
    whole += 1;
    rest = 0;
  }
  return whole === 0 ? String(rest) : `${whole}${String(rest).padStart(6, "0")}`;
};
