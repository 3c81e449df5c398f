/** The edge's configuration: `wrangler.toml` vars and secrets. */
import * as z from "zod/mini";
import {
  listVariable,
  readConfiguration,
  signingKeysVariable,
  textVariable,
  urlVariable,
} from "../core/configuration/read-configuration.ts";

/** An origin: its address without a trailing slash, and the authority by which signatures name it. */
export interface OriginAddress {
  readonly url: string;
  readonly authority: string;
}

const parseOrigin = (text: string): OriginAddress | undefined => {
  if (!URL.canParse(text)) return undefined;
  const { protocol, origin, host, pathname, search } = new URL(text);
  const isBare = pathname === "/" && search === "";
  return /^https?:$/.test(protocol) && isBare ? { url: origin, authority: host } : undefined;
};

const schema = z.object({
  ORIGINS: listVariable(parseOrigin, "addresses such as https://origin.example.com, without a path"),
  SIGNING_KEYS: signingKeysVariable(),
  UPSTASH_REDIS_REST_URL: urlVariable(["https", "http"]),
  UPSTASH_REDIS_REST_TOKEN: textVariable(),
  REDIS_KEY_PREFIX: z._default(textVariable(), "breakwater:"),
});

export type EdgeConfiguration = z.output<typeof schema>;

export const readEdgeConfiguration = (environment: Readonly<Record<string, unknown>>) =>
  readConfiguration(schema, environment);
