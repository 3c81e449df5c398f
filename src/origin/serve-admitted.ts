/** Serves what is admitted, and has every request told of that came. */
import { tierHeaders } from "../contract/tier-headers.ts";
import type { Admit } from "./admit.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { OriginContext } from "./route-operation.ts";
import type { RequestTelemetry, ToldRoute } from "./telemetry/request-telemetry.ts";

/**
 * In the place of a status that nobody was told: the client had gone before, as the edge does where another origin was
 * faster. nginx's number for it; were it the answer's, hedges would look like failures.
 */
const CLIENT_GONE = 499;

const statusOf = (c: OriginContext, { status }: Response): number =>
  c.env?.outgoing?.destroyed === true ? CLIENT_GONE : status;

/** @param route what it is known by; of what no route fits the method alone */
export const serveAdmitted =
  (
    route: (c: OriginContext) => ToldRoute,
    admit: Admit,
    telemetry: RequestTelemetry,
    respond: (c: OriginContext, admitted: AdmittedRequest) => Response | Promise<Response>,
  ) =>
  async (c: OriginContext): Promise<Response> => {
    const beganAtMs = performance.now();
    const admitted = await admit(c);
    const told = route(c);
    if (admitted instanceof Response) {
      telemetry.served({
        route: told,
        requestId: admitted.headers.get(tierHeaders.requestId) ?? "",
        admitted: undefined,
        span: undefined,
        status: statusOf(c, admitted),
        durationMs: performance.now() - beganAtMs,
      });
      return admitted;
    }
    const span = telemetry.begin(admitted, told, beganAtMs);
    const work = (): Response | Promise<Response> => respond(c, admitted);
    const response = await (span === undefined ? work() : span.run(work));
    telemetry.served({
      route: told,
      requestId: admitted.requestId,
      admitted,
      span,
      status: statusOf(c, response),
      durationMs: performance.now() - beganAtMs,
    });
    return response;
  };
