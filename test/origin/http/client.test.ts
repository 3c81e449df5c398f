import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import type { Duration } from "../../../src/contract/duration.ts";
import { CircuitOpenError, DeadlineError, UnavailableError } from "../../../src/origin/db/errors.ts";
import { createHttpClient } from "../../../src/origin/http/client.ts";
import { Deadline } from "../../../src/origin/middleware/deadline.ts";
import { createBreaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const serve = async (listener: RequestListener): Promise<string> => {
  server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
};

const clientWith = (timeout: Duration) => {
  const breaker = createBreaker({ failureThreshold: 2 }, { now: Date.now, random: () => 1 });
  const callerFetch = createHttpClient({
    dependencies: { partner: { timeout } },
    createBreaker: () => breaker,
    meter: createMetrics().meter,
  });
  return { breaker, callerFetch };
};

const REQUEST_ID = "0f3c1a52-5b7e-4a4f-9d3e-0123456789ab";
const request = (): Deadline => new Deadline("getQuote", Date.now() + 60_000, true, REQUEST_ID);

const fail =
  (status: number): RequestListener =>
  (_request, response) => {
    response.statusCode = status;
    response.end();
  };
const hang: RequestListener = () => undefined;

describe("a call to another service", () => {
  test("carries the trace of a request that is not sampled, as not sampled", async () => {
    let traceparent: unknown;
    const url = await serve((incoming, response) => {
      traceparent = incoming.headers["traceparent"];
      response.end("7");
    });
    const response = await clientWith("5000ms").callerFetch(request())("partner", url);
    expect(await response.text()).toBe("7");
    expect(traceparent).toMatch(/^00-0f3c1a525b7e4a4f9d3e0123456789ab-[0-9a-f]{16}-00$/);
  });

  test("opens the breaker by 5xx responses, after which nothing is sent", async () => {
    const { callerFetch, breaker } = clientWith("5000ms");
    const url = await serve(fail(500));
    for (let n = 0; n < 2; n += 1) expect((await callerFetch(request())("partner", url)).status).toBe(500);
    expect(breaker.state).toBe("open");
    await expect(callerFetch(request())("partner", url)).rejects.toThrow(CircuitOpenError);
  });

  test("leaves the breaker closed by 4xx responses", async () => {
    const { callerFetch, breaker } = clientWith("5000ms");
    const url = await serve(fail(404));
    for (let n = 0; n < 3; n += 1) await callerFetch(request())("partner", url);
    expect(breaker.state).toBe("closed");
  });

  test("ends at its timeout, as a failure of the service", async () => {
    const { callerFetch, breaker } = clientWith("50ms");
    const url = await serve(hang);
    for (let n = 0; n < 2; n += 1)
      await expect(callerFetch(request())("partner", url)).rejects.toThrow(UnavailableError);
    expect(breaker.state).toBe("open");
  });

  test("ends at the request's deadline, as a failure of the service", async () => {
    const { callerFetch, breaker } = clientWith("60000ms");
    const url = await serve(hang);
    for (let n = 0; n < 2; n += 1) {
      const deadline = request();
      const calling = callerFetch(deadline)("partner", url);
      deadline.end("deadline");
      await expect(calling).rejects.toThrow(DeadlineError);
    }
    expect(breaker.state).toBe("open");
  });

  test("says nothing about the service if the client has disconnected", async () => {
    const { callerFetch, breaker } = clientWith("60000ms");
    const url = await serve(hang);
    for (let n = 0; n < 3; n += 1) {
      const deadline = request();
      const calling = callerFetch(deadline)("partner", url);
      deadline.end("abandoned");
      await expect(calling).rejects.toThrow(DeadlineError);
    }
    expect(breaker.state).toBe("closed");
  });

  test("is not sent for a request that has ended", async () => {
    const { callerFetch } = clientWith("60000ms");
    const deadline = request();
    deadline.end("deadline");
    await expect(callerFetch(deadline)("partner", "http://127.0.0.1:9")).rejects.toThrow(DeadlineError);
  });

  test("to a service that is not declared is an error that names it", async () => {
    await expect(clientWith("1ms").callerFetch(request())("bank", "http://127.0.0.1:9")).rejects.toThrow(
      /bank is not declared in httpDependencies/,
    );
  });
});
