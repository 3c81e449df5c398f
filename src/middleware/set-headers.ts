import type { Context } from "hono";

/**
 * Sets fields of the response in place: Hono's own `c.header` copies a finished response for each field. The handlers of
 * both tiers return responses whose header fields may be changed. Vary is extended.
 */
export const setHeaders = (c: Context, fields: Readonly<Record<string, string>>): void => {
  const { headers } = c.res;
  for (const name in fields) {
    const value = fields[name] ?? "";
    if (name === "vary") headers.append(name, value);
    else headers.set(name, value);
  }
};
