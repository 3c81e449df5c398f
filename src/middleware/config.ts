/** The guards' configuration: the same variables in both tiers. A guard's own variable is declared here. */
import {
  listVariable,
  numberVariable,
  optional,
  textThat,
  textVariable,
  type ValuesOf,
  withDefault,
  wordVariable,
} from "../lib/variables.ts";
import { JWT_ALGORITHMS } from "./auth/jwt.ts";

/** An isolate or process lives on tokens that it has taken for at most this long, milliseconds. */
export const LEASE_MS = 2_000;

/** A request waits for Redis at most this long at a time, milliseconds. */
export const REDIS_TIMEOUT_MS = 150;

/** Over plain HTTP an attacker on the way could publish keys; on this machine that is not a concern. */
const isKeySetUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  return protocol === "https:" || (protocol === "http:" && isLocal);
};

export const GUARD_VARIABLES = {
  RATE_LIMITS: withDefault(wordVariable(["enforce", "dry-run", "off"]), "enforce"),
  RATE_LIMIT_LEASE_MS: withDefault(numberVariable(1_000, 60_000), LEASE_MS),
  REDIS_TIMEOUT_MS: withDefault(numberVariable(10, 1_000), REDIS_TIMEOUT_MS),
  JWT_ISSUER: optional(textVariable()),
  JWT_AUDIENCE: optional(textVariable()),
  JWT_JWKS_URL: optional(
    textThat(isKeySetUrl, "must be a URL that begins with https://, or is of this machine"),
  ),
  JWT_ALGORITHMS: optional(
    listVariable(
      (part) => JWT_ALGORITHMS.find((algorithm) => algorithm === part),
      `some of ${JWT_ALGORITHMS.join(", ")}`,
    ),
  ),
};

export type GuardConfig = ValuesOf<typeof GUARD_VARIABLES>;
