import type { IncomingHttpHeaders, RequestListener } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createSendTelemetry } from "../../../src/edge/telemetry/exporter.ts";
import { serve, type TestServer } from "../../support/listen.ts";

let server: TestServer | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await server?.stop();
  server = undefined;
});

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A collector over real HTTP, which responds once the whole request has arrived. */
const listen = async (handler: RequestListener): Promise<{ url: string; received: Received[] }> => {
  const received: Received[] = [];
  server = await serve(async (request, response) => {
    const { method, url, headers } = request;
    received.push({ method, url, headers, body: await text(request) });
    handler(request, response);
  });
  return { url: server.url, received };
};

const DATA = new TextEncoder().encode("{}");

const sendTo = (endpoint: string, headers: Readonly<Record<string, string>> = {}) =>
  createSendTelemetry({ endpoint, headers, fetch: (input, init) => fetch(input, init) });

const responding =
  (status: number, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end();

test("the collector gets JSON below its base URL, with the configured headers", async () => {
  const { url, received } = await listen(responding(200));
  const send = sendTo(`${url}/otlp`, { authorization: "Bearer secret", "content-type": "text/plain" });
  expect(await send("traces", DATA)).toBe(true);
  expect(await send("metrics", DATA)).toBe(true);
  expect(received.map(({ method, url: target, body }) => [method, target, body])).toEqual([
    ["POST", "/otlp/v1/traces", "{}"],
    ["POST", "/otlp/v1/metrics", "{}"],
  ]);
  for (const { headers } of received) {
    expect(headers).toMatchObject({ "content-type": "application/json", authorization: "Bearer secret" });
    expect(headers).not.toHaveProperty("traceparent");
  }
});

test.each<[number, boolean]>([
  ...[200, 202, 204].map((status): [number, boolean] => [status, true]),
  ...[400, 401, 404, 413, 429, 500, 503].map((status): [number, boolean] => [status, false]),
])("a collector that responds %i has accepted the data: %s", async (status, isAccepted) => {
  const { url } = await listen(responding(status));
  expect(await sendTo(url)("traces", DATA)).toBe(isAccepted);
});

test.each([301, 302, 307, 308])("a redirect by %i is not followed", async (status) => {
  const { url, received } = await listen(responding(status, { location: "/elsewhere" }));
  expect(await sendTo(url, { authorization: "Bearer secret" })("traces", DATA)).toBe(false);
  expect(received.map((each) => each.url)).toEqual(["/v1/traces"]);
});

describe("the result is false, never an error, if", () => {
  test("the collector cannot be reached", async () => {
    expect(await sendTo("http://127.0.0.1:9")("traces", DATA)).toBe(false);
  });

  test("the connection breaks", async () => {
    const { url } = await listen((request) => void request.socket.resetAndDestroy());
    expect(await sendTo(url)("traces", DATA)).toBe(false);
  });

  test("a header cannot be sent", async () => {
    const { url } = await listen(responding(200));
    expect(await sendTo(url, { "x-a": "\u{1f600}" })("traces", DATA)).toBe(false);
  });

  test("the collector does not respond within five seconds", async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    const { url } = await listen(() => resolve());
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const sending = sendTo(url)("traces", DATA);
    await arrived;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await sending).toBe(false);
  });
});

test("an endless response counts by its status", async () => {
  const { url } = await listen((_, response) => void response.writeHead(200).write("{"));
  expect(await sendTo(url)("traces", DATA)).toBe(true);
});

test("no timer is left", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  // Node's own fetch has timers.
  const sendBy = (fetch: typeof globalThis.fetch) =>
    createSendTelemetry({ endpoint: "http://collector", headers: {}, fetch })("traces", DATA);
  expect(await sendBy(async () => new Response())).toBe(true);
  expect(await sendBy(() => Promise.reject(new TypeError("down")))).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
