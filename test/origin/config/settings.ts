import { readOriginConfiguration } from "../../../src/origin/config/read.ts";

/** The required variables. */
export const valid = {
  DATABASE_URL: "postgres://user@localhost/app",
  REDIS_URL: "redis://localhost",
  SIGNING_KEYS: `k:${"A".repeat(43)}=`,
  ORIGIN_AUTHORITIES: "origin.example.com,127.0.0.1:8080",
};

export const appYaml = (text: string) => ({ path: "/app/config/app.yaml", text });

type Environment = Readonly<Record<string, unknown>>;

/** @throws if the configuration is wrong */
export const read = (environment: Environment, text?: string) => {
  const reading = readOriginConfiguration(environment, text === undefined ? undefined : appYaml(text));
  if (!reading.ok) throw new Error(reading.message);
  return reading;
};

/** The lines of the message without the first, which counts the faults. */
export const faultsOf = (environment: Environment, text?: string): readonly string[] => {
  const reading = readOriginConfiguration(environment, text === undefined ? undefined : appYaml(text));
  return reading.ok ? [] : reading.message.split("\n  ").slice(1);
};
