/** What makes a value of the configuration a key: its meaning, and whether it is required or has a default. */
import * as z from "zod/mini";
import * as v from "./values.ts";

export interface KeyDetails extends v.ValueDetails {
  readonly meaning: string;
  readonly isRequired: boolean;
  /** As it would be written in the file. */
  readonly default: string | undefined;
}

export const keyDetails = z.registry<KeyDetails>();

type ValueType<T> = z.ZodMiniType<T, string>;

const detailsOf = (
  type: z.core.$ZodType,
  meaning: string,
  isRequired: boolean,
  text?: string,
): KeyDetails => ({
  expected: "",
  ...v.details.get(type),
  meaning,
  isRequired,
  default: text,
});

/** A key that must be set. */
export const required = <T>(type: ValueType<T>, meaning: string) =>
  type.register(keyDetails, detailsOf(type, meaning, true));

/** A key that is undefined unless it is set. */
export const optional = <T>(type: ValueType<T>, meaning: string) =>
  z.optional(type).register(keyDetails, detailsOf(type, meaning, false));

/** @param text the default, as it would be written in the file */
export const withDefault = <T>(type: ValueType<T>, text: string, meaning: string) =>
  z.prefault(type, text).register(keyDetails, detailsOf(type, meaning, false, text));
