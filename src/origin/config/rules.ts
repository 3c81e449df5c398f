/** What must hold between keys, each of which is right by itself. */
import { formatDuration } from "./duration.ts";
import type { Key } from "./key.ts";
import { keys } from "./keys.ts";

/** The key that is told to change, and why. */
export interface Breach {
  readonly key: Key<unknown>;
  readonly wrong: string;
}

/** Undefined for a key whose own value is wrong: nothing can be said about it yet. */
type Get = <T>(key: Key<T>) => T | undefined;

const { server, database, redis, circuitBreaker, overload, security } = keys;

const portsDiffer = (get: Get): Breach | undefined => {
  const port = get(server.port);
  return port && port === get(server.adminPort)
    ? { key: server.adminPort, wrong: `must not be ${server.port.file}, which is ${port}` }
    : undefined;
};

const minWithinMax = (get: Get): Breach | undefined => {
  const [min, max] = [get(database.minConnections), get(database.maxConnections)];
  return min !== undefined && max !== undefined && min > max
    ? {
        key: database.minConnections,
        wrong: `must not exceed ${database.maxConnections.file}, which is ${max}, but is ${min}`,
      }
    : undefined;
};

/** A worker without a connection could not serve. */
const oneConnectionEach = (get: Get): Breach | undefined => {
  const [workers, max] = [get(server.workers), get(database.maxConnections)];
  return workers !== undefined && max !== undefined && max < workers
    ? {
        key: database.maxConnections,
        wrong: `must be at least ${server.workers.file}, which is ${workers}, but is ${max}`,
      }
    : undefined;
};

const tokenForHttp = (get: Get): Breach | undefined =>
  /^https?:/i.test(get(redis.url) ?? "") && get(redis.token) === undefined
    ? { key: redis.token, wrong: "is missing: Redis over HTTP needs one" }
    : undefined;

const timeoutWithinMax = (get: Get): Breach | undefined => {
  const [timeoutMs, maxMs] = [get(circuitBreaker.timeoutMs), get(circuitBreaker.maxTimeoutMs)];
  return timeoutMs !== undefined && maxMs !== undefined && timeoutMs > maxMs
    ? {
        key: circuitBreaker.maxTimeoutMs,
        wrong: `must be at least ${circuitBreaker.timeoutMs.file}, which is ${formatDuration(timeoutMs)}, but is ${formatDuration(maxMs)}`,
      }
    : undefined;
};

const initialWithinLimits = (get: Get): Breach | undefined => {
  const [initial, min, max] = [get(overload.initialLimit), get(overload.minLimit), get(overload.maxLimit)];
  if (initial === undefined || min === undefined || max === undefined) return undefined;
  return initial < min || initial > max
    ? {
        key: overload.initialLimit,
        wrong: `must be within ${overload.minLimit.file} and ${overload.maxLimit.file}, which are ${min} and ${max}, but is ${initial}`,
      }
    : undefined;
};

/** All of what tells of tokens, or nothing. */
const tokensWhole = (get: Get): Breach | undefined => {
  const parts = [security.jwtIssuer, security.jwtAudience, security.jwtJwksUrl];
  const missing = parts.filter((part) => get(part) === undefined);
  const [key] = missing;
  return key !== undefined && missing.length < parts.length
    ? { key, wrong: `is missing: ${parts.map(({ file }) => file).join(", ")} belong together` }
    : undefined;
};

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/** Over plain HTTP anybody on the way could publish keys. */
const keySetIsSafe = (get: Get): Breach | undefined => {
  const url = get(security.jwtJwksUrl);
  if (url === undefined) return undefined;
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || LOOPBACK.includes(hostname)
    ? undefined
    : { key: security.jwtJwksUrl, wrong: "must begin with https://, or be of this machine" };
};

const rules = [
  tokensWhole,
  keySetIsSafe,
  portsDiffer,
  minWithinMax,
  oneConnectionEach,
  tokenForHttp,
  timeoutWithinMax,
  initialWithinLimits,
];

export const breaches = (get: Get): readonly Breach[] =>
  rules.map((rule) => rule(get)).filter((breach) => breach !== undefined);
