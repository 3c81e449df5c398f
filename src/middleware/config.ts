/** The guards' configuration: the same variables in both tiers. A guard's own variable is declared here. */
import * as v from "../lib/variables.ts";
import { JWT_ALGORITHMS } from "./auth/jwt.ts";

const LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"];

/** Over plain HTTP, an attacker on the way could publish keys. */
export const keySetUrl = v.parsed(
  "a URL that begins with https://, or is on this machine, without a user or password",
  (text) => {
    const url = v.parseUrl(text);
    if (url === undefined || !v.isFetchable(url)) return undefined;
    const { protocol, hostname } = url;
    const isLocal = protocol === "http:" && LOCAL_HOSTS.includes(hostname);
    return protocol === "https:" || isLocal ? text : undefined;
  },
  { mask: v.maskUrl },
);

export const rateLimitMode = v.oneOf("enforce", "dry-run", "off");

const jwtAlgorithms = v.list(`some of ${JWT_ALGORITHMS.join(", ")}`, (part) =>
  JWT_ALGORITHMS.find((algorithm) => algorithm === part),
);

export const GUARD_VARIABLES = {
  RATE_LIMITS: v.withDefault(rateLimitMode, "enforce"),
  /** The longest time for which an isolate or a process uses tokens that it has leased. */
  RATE_LIMIT_LEASE_MS: v.withDefault(v.wholeNumber(1_000, 60_000), 2_000),
  /** The longest wait of a request for one answer from Redis. */
  REDIS_TIMEOUT_MS: v.withDefault(v.wholeNumber(10, 1_000), 150),
  JWT_ISSUER: v.optional(v.line),
  JWT_AUDIENCE: v.optional(v.line),
  JWT_JWKS_URL: v.optional(keySetUrl),
  JWT_ALGORITHMS: v.optional(jwtAlgorithms),
};

export type GuardConfig = v.ValuesOf<typeof GUARD_VARIABLES>;
