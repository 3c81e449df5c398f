import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createSendTelemetry, type SendTelemetry } from "../../../src/edge/telemetry/exporter.ts";

let server: Server | undefined;
afterEach(() => {
  vi.useRealTimers();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

interface Taken {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A collector over real HTTP. @param answer once the whole request is there */
const listen = async (answer: RequestListener): Promise<{ url: string; taken: Taken[] }> => {
  const taken: Taken[] = [];
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      const { method, url, headers } = request;
      taken.push({ method, url, headers, body });
      answer(request, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return { url: `http://127.0.0.1:${address.port}`, taken };
};

const sendTo = (endpoint: string, headers: Readonly<Record<string, string>> = {}): SendTelemetry =>
  createSendTelemetry({ endpoint, headers, fetch: (input, init) => fetch(input, init) });

const bytes = (text: string) => new TextEncoder().encode(text);

const answering =
  (status: number, body = "{}", headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);

describe("a collector", () => {
  test("is sent JSON, below its address, with what it knows the edge by", async () => {
    const { url, taken } = await listen(answering(200));
    const send = sendTo(`${url}/otlp`, { authorization: "Bearer secret", "content-type": "text/plain" });
    expect(await send("traces", bytes('{"resourceSpans":[]}'))).toBe(true);
    expect(await send("metrics", bytes('{"resourceMetrics":[]}'))).toBe(true);
    expect(taken.map(({ method, url: target, body }) => [method, target, body])).toEqual([
      ["POST", "/otlp/v1/traces", '{"resourceSpans":[]}'],
      ["POST", "/otlp/v1/metrics", '{"resourceMetrics":[]}'],
    ]);
    for (const { headers } of taken) {
      expect(headers).toMatchObject({ "content-type": "application/json", authorization: "Bearer secret" });
      expect(headers).not.toHaveProperty("traceparent");
    }
  });

  test.each([200, 202, 204])("that answers %i has taken it", async (status) => {
    const { url } = await listen(answering(status, ""));
    expect(await sendTo(url)("traces", bytes("{}"))).toBe(true);
  });

  test.each([400, 401, 404, 413, 429, 500, 503])("that answers %i has not taken it", async (status) => {
    const { url } = await listen(answering(status));
    expect(await sendTo(url)("traces", bytes("{}"))).toBe(false);
  });

  test.each([
    301, 302, 307, 308,
  ])("that answers %i has not taken it, and nobody else gets what it was sent", async (status) => {
    const { url, taken } = await listen((request, response) =>
      request.url === "/elsewhere"
        ? void response.end()
        : void response.writeHead(status, { location: "/elsewhere" }).end(),
    );
    expect(await sendTo(url, { authorization: "Bearer secret" })("traces", bytes("{}"))).toBe(false);
    expect(taken.map((each) => each.url)).toEqual(["/v1/traces"]);
  });

  test("that is away has not taken it", async () => {
    expect(await sendTo("http://127.0.0.1:9")("traces", bytes("{}"))).toBe(false);
  });

  test("that cuts the connection has not taken it", async () => {
    const { url } = await listen((request) => void request.socket.resetAndDestroy());
    expect(await sendTo(url)("traces", bytes("{}"))).toBe(false);
  });

  test("that hangs is not waited for longer than five seconds", async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    const { url } = await listen(() => resolve());
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const sending = sendTo(url)("traces", bytes("{}"));
    await arrived;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await sending).toBe(false);
  });

  test("whose answer has no end has taken it once it says so", async () => {
    const { url } = await listen((_, response) => void response.writeHead(200).write("{"));
    expect(await sendTo(url)("traces", bytes("{}"))).toBe(true);
  });

  test("for which a header cannot be sent is an answer, not an error", async () => {
    const { url } = await listen(answering(200));
    expect(await sendTo(url, { "x-a": "\u{1f600}" })("traces", bytes("{}"))).toBe(false);
  });
});

test("no timer is left behind", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  // Node's own fetch has timers of its own.
  const sendBy = (fetch: typeof globalThis.fetch) =>
    createSendTelemetry({ endpoint: "http://collector", headers: {}, fetch })("traces", bytes("{}"));
  expect(await sendBy(async () => new Response())).toBe(true);
  expect(await sendBy(() => Promise.reject(new TypeError("away")))).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
