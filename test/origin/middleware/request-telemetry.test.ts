import { type Span, trace } from "@opentelemetry/api";
import { Hono } from "hono";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { context } from "../../../src/middleware/context/index.ts";
import { contextPort, type OriginContext, type OriginEnv } from "../../../src/origin/middleware/context.ts";
import {
  type RequestTelemetry,
  requestTelemetry,
  type ServedRequest,
  serverSpan,
} from "../../../src/origin/middleware/request-telemetry.ts";
import { recordSpans } from "../../support/recorded-spans.ts";

const ROUTE = { method: "GET", path: "/items/:id" };

let served: ServedRequest[];
beforeEach(() => {
  served = [];
});

const request = async (
  path: string,
  handle: (c: OriginContext) => Response,
  span?: Span,
): Promise<Response> => {
  const telemetry: RequestTelemetry = {
    begin: () => span,
    served: (each) => void served.push(each),
  };
  const app = new Hono<OriginEnv>();
  app.onError(() => new Response(null, { status: 500 }));
  app.use(context(contextPort()), requestTelemetry(telemetry));
  app.use("/closed/*", () => Promise.resolve(new Response(null, { status: 401 })));
  app.use(serverSpan(telemetry));
  app.get("/items/:id", handle);
  app.get("/closed/:id", handle);
  return await app.request(path);
};

const done = (): Response => new Response("done", { status: 201 });

test("a served request is recorded with its route, its id and its status", async () => {
  let requestId = "";
  const response = await request("/items/7", (c) => {
    requestId = c.get("requestId");
    c.set("cacheOutcome", "miss");
    return done();
  });
  expect(await response.text()).toBe("done");
  expect(served).toMatchObject([
    { route: ROUTE, requestId, cacheOutcome: "miss", span: undefined, status: 201 },
  ]);
  expect(served[0]?.durationMs).toBeGreaterThanOrEqual(0);
});

test("a rejected request is recorded with the route that it asked for", async () => {
  expect((await request("/closed/7", done)).status).toBe(401);
  expect(served).toMatchObject([{ route: { method: "GET", path: "/closed/:id" }, status: 401 }]);
});

test("a request without a route is recorded by its method alone", async () => {
  expect((await request("/nothing", done)).status).toBe(404);
  expect(served).toMatchObject([{ route: { method: "GET", path: "" }, status: 404 }]);
});

test("a sampled request is served with its span as the active one", async () => {
  const recorded = recordSpans();
  onTestFinished(recorded.stop);
  const span = trace.getTracer("test").startSpan("GET /items/:id");
  const response = await request(
    "/items/7",
    () => new Response(String(trace.getActiveSpan() === span)),
    span,
  );
  expect(await response.text()).toBe("true");
  expect(trace.getActiveSpan()).toBeUndefined();
  expect(served).toMatchObject([{ status: 200 }]);
  expect(served[0]?.span).toBe(span);
});

test("an unexpected error is recorded as its response", async () => {
  const response = await request("/items/7", () => {
    throw new Error("unexpected");
  });
  expect(response.status).toBe(500);
  expect(served).toMatchObject([{ status: 500 }]);
});
