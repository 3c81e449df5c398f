import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import type { Admit } from "../../../src/origin/admit.ts";
import type { AdmittedRequest } from "../../../src/origin/admitted-request.ts";
import type { OriginContext, OriginEnvironment } from "../../../src/origin/route-operation.ts";
import { serveAdmitted } from "../../../src/origin/serve-admitted.ts";
import type { RequestTelemetry, ServedRequest } from "../../../src/origin/telemetry/request-telemetry.ts";
import type { RequestSpan } from "../../../src/origin/telemetry/tracing.ts";

const ROUTE = { method: "GET", path: "/items/:id" };
const ADMITTED: AdmittedRequest = {
  requestId: "0190a0b4-1234-4abc-8def-0123456789ab",
  verdict: { auth: "none" },
  client: "192.0.2.1",
  timeoutMs: 1_000,
  isSentAgain: false,
  cacheControl: undefined,
  claim: async () => true,
  isOnlyHere: async () => true,
  trace: undefined,
  notes: {},
  fields: {},
};

type Respond = (c: OriginContext, admitted: AdmittedRequest) => Response | Promise<Response>;

const start = (respond: Respond, admit: Admit = () => ADMITTED, span?: RequestSpan) => {
  const served: ServedRequest[] = [];
  const telemetry: RequestTelemetry = {
    begin: () => span,
    served: (request) => void served.push(request),
  };
  const app = new Hono<OriginEnvironment>();
  app.get(
    "/items/:id",
    serveAdmitted(() => ROUTE, admit, telemetry, respond),
  );
  app.onError(() => new Response(null, { status: 500 }));
  return { served, ask: async () => await app.request("/items/7") };
};

describe("a request", () => {
  test("that is admitted is answered, and told of with its answer", async () => {
    const { served, ask } = start(() => new Response("done", { status: 201 }));
    expect(await (await ask()).text()).toBe("done");
    expect(served).toMatchObject([
      { route: ROUTE, requestId: ADMITTED.requestId, admitted: ADMITTED, span: undefined, status: 201 },
    ]);
    expect(served[0]?.durationMs).toBeGreaterThanOrEqual(0);
  });

  test("that is refused is told of too, by the id that its answer has", async () => {
    const refusal = new Response(null, { status: 401, headers: { "x-request-id": "an-id" } });
    const { served, ask } = start(
      () => {
        throw new Error("it is not to be served");
      },
      () => refusal,
    );
    expect((await ask()).status).toBe(401);
    expect(served).toMatchObject([{ requestId: "an-id", admitted: undefined, span: undefined, status: 401 }]);
  });

  test("whose trace is kept is served below its span", async () => {
    let isWithin = false;
    const span: RequestSpan = {
      spanId: "00f067aa0ba902b7",
      run: (work) => {
        isWithin = true;
        try {
          return work();
        } finally {
          isWithin = false;
        }
      },
      end: () => undefined,
    };
    const { served, ask } = start(() => new Response(String(isWithin)), undefined, span);
    expect(await (await ask()).text()).toBe("true");
    expect(served).toMatchObject([{ span }]);
  });

  test("that nobody foresaw how to serve is told of", async () => {
    const { served, ask } = start(() => {
      throw new Error("thrown by nobody's fault");
    });
    expect((await ask()).status).toBe(500);
    expect(served).toHaveLength(1);
  });
});
