/** What a handler works with, bound to its request. */

import type { Principal } from "../middleware/auth/principal.ts";
import { writtenTag } from "../middleware/response-cache/tags.ts";
import type { Services } from "./handler.ts";
import { cursorsOf, filterOf } from "./paging/cursors.ts";
import type { RequestScope } from "./request-scope.ts";
import type { RouteDependencies } from "./route-operation.ts";

export interface Served {
  readonly name: string;
  readonly scope: RequestScope;
  readonly principal: Principal | undefined;
  /** As it was validated. */
  readonly query: unknown;
  /** Takes the tags that the handler makes old. */
  readonly written: Set<string>;
}

export const servicesFor = (
  { name, scope, principal, query, written }: Served,
  { database, signingKeys }: Pick<RouteDependencies, "database" | "signingKeys">,
): Services => ({
  database: database.within(scope),
  cursors: cursorsOf(signingKeys, () => ({
    operation: name,
    principal: principal?.id,
    filter: filterOf(query),
  })),
  cache: {
    invalidate: (...tags) => {
      for (const tag of tags) written.add(writtenTag(tag));
    },
  },
  get signal() {
    return scope.signal;
  },
});
