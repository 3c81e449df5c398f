import { untilEnd } from "./db/until-end.ts";
import type { Deadlines } from "./deadlines.ts";
import type { RequestScope } from "./request-scope.ts";
import type { OriginContext } from "./route-operation.ts";

/**
 * Does work within a scope: until its deadline, or until its client has gone.
 *
 * @param c whose client's going away ends it; undefined for what is done for nobody in particular
 * @throws DeadlineError at the scope's end; what the work throws
 */
export const inScope = async <T>(
  deadlines: Deadlines,
  scope: RequestScope,
  c: OriginContext | undefined,
  work: () => Promise<T>,
): Promise<T> => {
  deadlines.enter(scope);
  c?.env?.outgoing?.once("close", () => scope.end("abandoned"));
  try {
    return await untilEnd(scope, work());
  } finally {
    deadlines.leave(scope);
  }
};
