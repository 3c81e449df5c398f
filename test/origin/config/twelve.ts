/** Of `fixtures/configuration/twelve-faults.yaml` and this environment everything but ORIGIN_AUTHORITIES is wrong. */
export const twelveEnvironment = {
  ORIGIN_AUTHORITIES: "origin.example.com",
  DATABASE_URL: "postgres://user:hunter2@",
  REDIS_URL: "https://redis.example.com",
  CACHE_TTL: "300",
};

export const TWELVE: readonly string[] = [
  'server.port (app.yaml:2) must be a whole number within 0 and 65535, not "8o80"',
  'server.workers (app.yaml:3) must be a whole number within 1 and 64, not "65"',
  'server.drain_timeout (app.yaml:4) must be a duration such as 500ms, 10s or 1m30s, within 0s and 10m, not "30"',
  'observability.sampling_rate (app.yaml:6) must be a number within 0 and 1, such as 0.1, not "1.5"',
  "observability.loglevel (app.yaml:7) is not known: observability has otlp_endpoint, otlp_headers, service_name, service_version, resource_attributes, sampling_rate, access_log, log_level",
  'database.min_connections (app.yaml:10) must not exceed database.max_connections (5), not "50"',
  'database.prepared_statements (app.yaml:11) must be true or false, not "sometimes"',
  "cash.ttl (app.yaml:13) is not known: the file has server, observability, database, cache, redis, circuit_breaker, overload, security, signing_keys",
  "DATABASE_URL must be a URL that begins with postgres:// or postgresql://, with a host, a user and password whose special characters are percent-encoded, an sslmode that is one of disable, prefer, require, verify-ca, verify-full, no-verify, and files that exist, not ***",
  "REDIS_TOKEN (or redis.token in the file) is missing: Redis over HTTP needs one",
  'CACHE_TTL must be a duration such as 500ms, 10s or 1m30s, within 0s and 30d, not "300"',
  "SIGNING_KEYS (or signing_keys in the file) is missing: it must be id:base64 of at least 32 bytes, or two of them with a comma between, the signing one first",
];
