/**
 * A value of JSON that somebody else has sent, and where in it that value stands, so that what is wrong can be said
 * exactly. Reads by proto3's JSON mapping: a field that is absent or null has its type's zero (protobuf.dev, "ProtoJSON
 * Format").
 */
import { isJsonObject } from "../../lib/json-object.ts";

/** JSON of another shape than was expected; the message names the place and what was expected there. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

const INTEGER = /^-?\d{1,20}$/;
const NOT_FINITE: ReadonlySet<string> = new Set(["NaN", "Infinity", "-Infinity"]);
const DECIMAL = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const wholeNumber = (value: unknown): bigint | undefined => {
  if (typeof value === "string") return INTEGER.test(value) ? BigInt(value) : undefined;
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : undefined;
};

export class JsonAt {
  readonly #value: unknown;
  readonly #within: JsonAt | undefined;
  /** A field's name, or an element's index. */
  readonly #step: string | number;

  private constructor(value: unknown, within?: JsonAt, step: string | number = "") {
    this.#value = value;
    this.#within = within;
    this.#step = step;
  }

  /** @throws ShapeError where the text is no object of JSON */
  static parse(text: string): JsonAt {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new ShapeError(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!isJsonObject(value)) throw new ShapeError("the body must be an object");
    return new JsonAt(value);
  }

  /** As `resourceSpans[0].scopeSpans[2]`; put together when it is asked for, which is where something is wrong. */
  get path(): string {
    const before = this.#within?.path ?? "";
    if (typeof this.#step === "number") return `${before}[${this.#step}]`;
    return before === "" ? this.#step : `${before}.${this.#step}`;
  }

  get isAbsent(): boolean {
    return this.#value === undefined || this.#value === null;
  }

  fault(expected: string): ShapeError {
    return new ShapeError(`${this.path}: ${expected}`);
  }

  /** A field of this object; absent where the object itself is. */
  get(name: string): JsonAt {
    return new JsonAt(this.#field(name), this, name);
  }

  /** Whether `get` gives what is not absent. */
  has(name: string): boolean {
    const value = this.#field(name);
    return value !== undefined && value !== null;
  }

  #field(name: string): unknown {
    if (this.isAbsent) return undefined;
    if (!isJsonObject(this.#value)) throw this.fault("must be an object");
    return this.#value[name];
  }

  list(): readonly JsonAt[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.#value)) throw this.fault("must be an array");
    return this.#value.map((value: unknown, index) => new JsonAt(value, this, index));
  }

  /** Well-formed Unicode, of any length. */
  text(): string {
    if (this.isAbsent) return "";
    if (typeof this.#value !== "string") throw this.fault("must be a string");
    return this.#value.toWellFormed();
  }

  boolean(): boolean {
    if (this.isAbsent) return false;
    if (typeof this.#value !== "boolean") throw this.fault("must be true or false");
    return this.#value;
  }

  double(): number {
    if (this.isAbsent) return 0;
    if (typeof this.#value === "number") return this.#value;
    if (typeof this.#value === "string" && (NOT_FINITE.has(this.#value) || DECIMAL.test(this.#value))) {
      return Number(this.#value);
    }
    throw this.fault("must be a number");
  }

  /** An enum's number: OTLP's JSON has no names for them. */
  enumeration(): number {
    if (this.isAbsent) return 0;
    if (typeof this.#value === "number" && Number.isInteger(this.#value)) return this.#value;
    throw this.fault("must be an enum's whole number");
  }

  /** A 64-bit integer, which may be written as a number or as its decimal digits. */
  int64(): bigint {
    return this.#integer(-(2n ** 63n), 2n ** 63n - 1n);
  }

  /** As `int64`, without a sign. */
  uint64(): bigint {
    return this.#integer(0n, 2n ** 64n - 1n);
  }

  #integer(min: bigint, max: bigint): bigint {
    if (this.isAbsent) return 0n;
    const read = wholeNumber(this.#value);
    if (read !== undefined && read >= min && read <= max) return read;
    throw this.fault(`must be a whole number from ${min} to ${max}, as a number or as decimal digits`);
  }
}
