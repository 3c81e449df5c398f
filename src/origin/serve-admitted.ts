/** Serves what is admitted, and has every request told of that came. */
import { tierHeaders } from "../contract/tier-headers.ts";
import type { Admit } from "./admit.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { OriginContext } from "./route-operation.ts";
import type { RequestTelemetry, ToldRoute } from "./telemetry/request-telemetry.ts";

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
        status: admitted.status,
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
      status: response.status,
      durationMs: performance.now() - beganAtMs,
    });
    return response;
  };
