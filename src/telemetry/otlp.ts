/** Attributes and times as OTLP's JSON (opentelemetry-proto, "JSON Protobuf Encoding"): 64-bit integers are text. */

type Scalar = string | number | boolean;
type AttributeValue = Scalar | readonly string[];

/** By name: `service.name`, `service.version`, `service.instance.id`. */
export type ResourceAttributes = Readonly<Record<string, AttributeValue | null | undefined>>;

/** A longer text is cut (OpenTelemetry specification, "Attribute Limits"). */
const MAX_VALUE_LENGTH = 2_048;

const scalarValue = (value: Scalar) => {
  switch (typeof value) {
    case "string":
      // A lone surrogate is not UTF-8: a receiver would refuse the whole request for it.
      return { stringValue: value.slice(0, MAX_VALUE_LENGTH).toWellFormed() };
    case "boolean":
      return { boolValue: value };
    default:
      if (Number.isSafeInteger(value)) return { intValue: String(value) };
      return { doubleValue: Number.isFinite(value) ? value : String(value) };
  }
};

const anyValue = (value: AttributeValue) =>
  typeof value === "object" ? { arrayValue: { values: value.map(scalarValue) } } : scalarValue(value);

/** Without those that have no value. */
export const attributes = (values: ResourceAttributes) =>
  Object.entries(values).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key: key.toWellFormed(), value: anyValue(value) }],
  );

/**
 * To the microsecond.
 *
 * @param ms epoch milliseconds
 * @returns "0", which to OTLP is an unknown time, if the time is not of the epoch
 */
export const nanoseconds = (ms: number): string => {
  const microseconds = Math.round(ms * 1_000);
  return microseconds > 0 && Number.isSafeInteger(microseconds) ? `${microseconds}000` : "0";
};
