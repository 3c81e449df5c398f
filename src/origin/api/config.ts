/** Your API's own settings, and the services that it calls over HTTP. */
import * as z from "zod/mini";
import type { HttpDependencies } from "../http/client.ts";

/**
 * Each property is a key of the configuration's section `api`, made with `required`, `optional` or `withDefault` of
 * `../config/keys.ts` and a type of `../config/values.ts`: `partnerUrl` is `api.partner_url` in the file and API_PARTNER_URL in
 * the environment. Handlers and jobs receive the values as `settings`.
 */
export const apiSettings = z.object({});

export type ApiSettings = z.output<typeof apiSettings>;

/** By the name that handlers and jobs call with `fetch(name, url)`. Each has its own circuit breaker. */
export const httpDependencies = {} as const satisfies HttpDependencies;
