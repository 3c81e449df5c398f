/** Serves what is admitted, and has every request told of that came. */
import { internalHeaders } from "../contract/internal-headers.ts";
import type { Admit } from "./admit.ts";
import type { AdmittedRequest } from "./admitted-request.ts";
import type { OriginContext } from "./route-operation.ts";
import type { RequestTelemetry, ServedRequest, ToldRoute } from "./telemetry/request-telemetry.ts";

/**
 * In the place of a status that nobody was told: the client had gone before, as the edge does where another origin was
 * faster. nginx's number for it; were it the answer's, hedges would look like failures.
 */
const CLIENT_GONE = 499;

/** What is thrown is answered so in the end. */
const UNFORESEEN = 500;

const hasGone = (c: OriginContext): boolean => c.env?.outgoing?.destroyed === true;

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
    const told = route(c);
    const tell = (
      { requestId, admitted, span }: Pick<ServedRequest, "requestId" | "admitted" | "span">,
      status: number,
    ): void =>
      telemetry.served({
        route: told,
        requestId,
        admitted,
        span,
        status: hasGone(c) ? CLIENT_GONE : status,
        durationMs: performance.now() - beganAtMs,
      });

    const admitted = await admit(c);
    if (admitted instanceof Response) {
      const requestId = admitted.headers.get(internalHeaders.requestId) ?? "";
      tell({ requestId, admitted: undefined, span: undefined }, admitted.status);
      return admitted;
    }
    const span = telemetry.begin(admitted, told, beganAtMs);
    const request = { requestId: admitted.requestId, admitted, span };
    const work = (): Response | Promise<Response> => respond(c, admitted);
    let response: Response;
    try {
      response = await (span === undefined ? work() : span.run(work));
    } catch (error) {
      tell(request, UNFORESEEN);
      throw error;
    }
    tell(request, response.status);
    return response;
  };
