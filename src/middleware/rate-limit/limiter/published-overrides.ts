/** The form in which overrides of limits stand in Redis: one hash, a field a limit and principal, and a version. */
import type { BucketRule } from "./bucket.ts";

/** Other numbers for one principal. */
export type LimitOverride = BucketRule;

export const publishedOverridesName = (prefix: string): string => `${prefix}limit-overrides`;

/** A limit's name never holds a colon. */
export const overrideField = (limitName: string, principal: string): string => `${limitName}:${principal}`;

/** As the script that takes tokens reads it. */
export const writeOverride = ({ capacity, refillPerSecond }: LimitOverride): string =>
  `${capacity} ${refillPerSecond}`;
