/** Attributes and times in OTLP's JSON (opentelemetry-proto, "JSON Protobuf Encoding"). */
type Scalar = string | number | boolean;
type AttributeValue = Scalar | readonly string[];

/** A longer text is cut (OpenTelemetry specification, "Attribute Limits"). */
const MAX_VALUE_LENGTH = 2_048;

const scalarValue = (value: Scalar) => {
  switch (typeof value) {
    case "string":
      // A receiver would reject the whole request for a lone surrogate, which is no UTF-8.
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

/** Attributes without a value are omitted. */
export const attributes = (values: Readonly<Record<string, AttributeValue | null | undefined>>) =>
  Object.entries(values).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key: key.toWellFormed(), value: anyValue(value) }],
  );

/**
 * To the microsecond.
 *
 * @param ms epoch milliseconds
 * @returns "0", OTLP's unknown time, for a time before the epoch or too large
 */
export const nanoseconds = (ms: number): string => {
  const microseconds = Math.round(ms * 1_000);
  return microseconds > 0 && Number.isSafeInteger(microseconds) ? `${microseconds}000` : "0";
};
