/** The origin's configuration: environment variables. */
import * as z from "zod/mini";
import {
  listVariable,
  numberVariable,
  readConfiguration,
  signingKeysVariable,
  textVariable,
  urlVariable,
  wordVariable,
} from "../core/configuration/read-configuration.ts";

const parseAuthority = (text: string): string | undefined =>
  /^[a-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-f:]+\](:\d{1,5})?$/.test(text) ? text : undefined;

const schema = z.object({
  DATABASE_URL: urlVariable(["postgres", "postgresql"]),
  /** Connections that this process holds at most. */
  DATABASE_MAX_CONNECTIONS: z._default(numberVariable(1, 1000), 20),
  REDIS_URL: urlVariable(["redis", "rediss", "https", "http"]),
  /** For Redis over HTTP alone. */
  REDIS_TOKEN: z.optional(textVariable()),
  REDIS_KEY_PREFIX: z._default(textVariable(), "breakwater:"),
  SIGNING_KEYS: signingKeysVariable(),
  /** The hosts (and ports) by which the edge addresses this origin; a signature for another one is refused. */
  ORIGIN_AUTHORITIES: listVariable(parseAuthority, "hosts such as origin.example.com, in lower case"),
  HOST: z._default(textVariable(), "0.0.0.0"),
  /** 0 takes a free one. */
  PORT: z._default(numberVariable(0, 65_535), 8080),
  ADMIN_PORT: z._default(numberVariable(0, 65_535), 9090),
  LOG_LEVEL: z._default(wordVariable(["trace", "debug", "info", "warn", "error", "fatal"]), "info"),
});

const consistent = schema.check(
  z.refine(({ REDIS_URL, REDIS_TOKEN }) => !REDIS_URL.startsWith("http") || REDIS_TOKEN !== undefined, {
    path: ["REDIS_TOKEN"],
    message: "is missing: Redis over HTTP needs one",
  }),
);

export type OriginConfiguration = z.output<typeof schema>;

export const readOriginConfiguration = (environment: Readonly<Record<string, unknown>>) =>
  readConfiguration(consistent, environment);
