/**
 * Values in OTLP's JSON (opentelemetry-proto, common.proto and resource.proto). As in proto3's JSON mapping, an absent or
 * null field is its type's zero and a 64-bit integer is a number or its digits; enums are numbers, ids are hex.
 */
import * as z from "zod/mini";

/** An AnyValue as JSON; integers beyond 2^53 are their digits, bytes are base64. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

export type Attributes = Readonly<Record<string, PlainValue>>;

export interface Resource {
  /** `service.name` */
  readonly service: string;
  /** `service.instance.id` */
  readonly instance: string | undefined;
}

/** Attributes kept of one object, and elements of one array: the first. */
const MAX_ELEMENTS = 64;
/** Characters kept of a text. */
const MAX_TEXT = 16_384;
const MAX_DEPTH = 8;

/** Copies the beginning: a slice would retain the whole text. */
const cut = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${Buffer.from(text.slice(0, MAX_TEXT)).toString()}…`;

const string = z.pipe(
  z.string(),
  z.transform((value) => cut(value.toWellFormed())),
);

const integer = (min: bigint, max: bigint) => {
  const digits = z.string().check(z.regex(/^-?\d{1,20}$/));
  const whole = z.union([digits, z.number().check(z.multipleOf(1))]);
  const value = z.pipe(
    whole,
    z.transform((input) => BigInt(input)),
  );
  return z.pipe(value, z.bigint().check(z.gte(min), z.lte(max)));
};

export const orZero = <T extends z.ZodMiniType, Z>(schema: T, zero: Z) =>
  z.pipe(
    z.nullish(schema),
    z.transform((value) => value ?? zero),
  );

export const list = <T extends z.ZodMiniType>(item: T) =>
  z.pipe(
    z.nullish(z.array(item)),
    z.transform((items) => items ?? []),
  );
export const text = orZero(string, "");
export const boolean = orZero(z.boolean(), false);
export const enumeration = orZero(z.int(), 0);
export const int64 = integer(-(2n ** 63n), 2n ** 63n - 1n);
export const uint64 = integer(0n, 2n ** 64n - 1n);
export const double = z.pipe(
  z.union([z.number(), z.string().check(z.regex(/^(?:NaN|-?Infinity|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/i))]),
  z.transform(Number),
);
/** Nanoseconds. */
export const time = orZero(uint64, 0n);

/** Lower-case hex. */
export const id = (digits: 16 | 32) => {
  const pattern = new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`, "i");
  const message = `must be ${digits} hex digits, not all of them 0`;
  return z.pipe(orZero(z.string(), ""), z.string().check(z.regex(pattern, message), z.toLowerCase()));
};
/** Undefined if absent, empty or all zeros. */
export const optionalId = (digits: 16 | 32) => {
  const pattern = new RegExp(`^(?:[0-9a-f]{${digits}})?$`, "i");
  return z.pipe(
    z.nullish(z.string().check(z.regex(pattern, `must be ${digits} hex digits`))),
    z.transform((value) => (/[^0]/.test(value ?? "") ? value?.toLowerCase() : undefined)),
  );
};

const attributesOf = (value: z.ZodMiniType<PlainValue>) =>
  z.pipe(
    list(z.object({ key: text, value: orZero(value, null) })),
    // fromEntries defines the properties, so `__proto__` is a key like any other.
    z.transform(
      (pairs): Attributes =>
        Object.fromEntries(pairs.slice(0, MAX_ELEMENTS).map(({ key, value }) => [key, value])),
    ),
  );

/** Text if JSON has no such number. */
const plainNumber = (schema: z.ZodMiniType<bigint | number>, isPlain: (value: number) => boolean) =>
  z.pipe(
    schema,
    z.transform((value) => (isPlain(Number(value)) ? Number(value) : String(value))),
  );

const anyValueAt = (depth: number): z.ZodMiniType<PlainValue> => {
  if (depth > MAX_DEPTH) return z.never(`is nested deeper than ${MAX_DEPTH}`);
  const nested = anyValueAt(depth + 1);
  const value = z.object({
    stringValue: z.nullish(string),
    boolValue: z.nullish(z.boolean()),
    intValue: z.nullish(plainNumber(int64, Number.isSafeInteger)),
    doubleValue: z.nullish(plainNumber(double, Number.isFinite)),
    bytesValue: z.nullish(string),
    arrayValue: z.nullish(z.object({ values: list(nested) })),
    kvlistValue: z.nullish(z.object({ values: attributesOf(nested) })),
  });
  return z.pipe(
    value,
    z.transform(({ arrayValue, kvlistValue, ...scalars }) => {
      const scalar = Object.values(scalars).find((each) => each !== undefined && each !== null);
      return scalar ?? arrayValue?.values.slice(0, MAX_ELEMENTS) ?? kvlistValue?.values ?? null;
    }),
  );
};

export const anyValue = orZero(anyValueAt(0), null);
export const attributes = attributesOf(anyValue);

/** One value as text: a string as it is, everything else as JSON. */
export const plainText = (value: PlainValue): string =>
  typeof value === "string" ? value : JSON.stringify(value);

export const resource = z.pipe(
  z.nullish(z.object({ attributes })),
  z.transform((value): Resource => {
    const { "service.name": service, "service.instance.id": instance } = value?.attributes ?? {};
    return {
      // The default of OpenTelemetry's SDKs (Resource Semantic Conventions, "Service").
      service: typeof service === "string" && service !== "" ? service : "unknown_service",
      instance: typeof instance === "string" ? instance : undefined,
    };
  }),
);

/** Milliseconds with fractions, to about a quarter of a microsecond: the precision of a double. */
export const milliseconds = (nanoseconds: bigint): number =>
  Number(nanoseconds / 1_000_000n) + Number(nanoseconds % 1_000_000n) / 1e6;
