import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Listener, listen, type OnMalformed } from "../../../src/origin/lifecycle/listen.ts";
import { isLong } from "../../support/runtime.ts";

let listener: Listener;
let agent: Agent;
/** The handler of "/slow" waits for it. */
let slow: PromiseWithResolvers<void>;
/** Resolves when that request has arrived. */
let begun: PromiseWithResolvers<void>;

beforeEach(async () => {
  slow = Promise.withResolvers<void>();
  begun = Promise.withResolvers<void>();
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const fetch = async (received: Request): Promise<Response> => {
    if (new URL(received.url).pathname === "/slow") {
      begun.resolve();
      await slow.promise;
    }
    return new Response("served");
  };
  const malformed: OnMalformed = (code, { address }) =>
    Response.json(
      { code, address },
      { status: 400, headers: { "content-type": "application/problem+json" } },
    );
  listener = await listen(fetch, { host: "127.0.0.1", port: 0 }, malformed);
});
afterEach(async () => {
  slow.resolve();
  agent.destroy();
  await listener.close(0);
});

/** Uses the one keep-alive connection. */
const request = async (path = "/"): Promise<IncomingMessage> => {
  const [response]: IncomingMessage[] = await once(
    get({ host: "127.0.0.1", port: listener.port, path, agent }),
    "response",
  );
  if (response === undefined) throw new Error("no response");
  response.resume();
  await once(response, "end");
  return response;
};

const LONG_MS = 20_000;

describe("an idle connection", () => {
  /** Envoy's default. */
  const LONGEST_OF_PROXIES_S = 3_600;
  /** cloudflared's default. A request at this moment meets an open connection. */
  const CLOUDFLARED_MS = 90_000;

  test("stays open for longer than a proxy keeps one", async () => {
    const { headers } = await request();
    const [, seconds] = /^timeout=(\d+)$/.exec(String(headers["keep-alive"])) ?? [];
    expect(Number(seconds)).toBeGreaterThan(LONGEST_OF_PROXIES_S);
  });

  test.runIf(isLong)("serves a write after 90 seconds", { timeout: 2 * CLOUDFLARED_MS }, async () => {
    const socket = connect(listener.port, "127.0.0.1");
    const write = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    socket.write(write);
    await once(socket, "data");
    await pause(CLOUDFLARED_MS);
    socket.write(write);
    const [received]: unknown[] = await once(socket, "data");
    expect(String(received)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    socket.destroy();
  });
});

test("an unspecified IPv6 address admits IPv4, too", async () => {
  const both = await listen(() => new Response("served"), { host: "::", port: 0 });
  const hasIpv6 = Object.values(networkInterfaces()).some((each) =>
    each?.some(({ address }) => address === "::1"),
  );
  for (const host of ["127.0.0.1", ...(hasIpv6 ? ["[::1]"] : [])]) {
    const response = await fetch(`http://${host}:${both.port}/`);
    expect([host, response.status]).toEqual([host, 200]);
  }
  await both.close(0);
});

describe("close", () => {
  test("serves a late request on an idle connection, and then ends", async () => {
    await request();
    const closing = listener.close(LONG_MS, LONG_MS);
    // A new connection would be refused.
    const late = await request();
    expect([late.statusCode, late.headers.connection]).toEqual([200, "close"]);
    expect(await closing).toBe(0);
  });

  test("ends early if the client closes its idle connection", async () => {
    await request();
    const closing = listener.close(LONG_MS, LONG_MS);
    agent.destroy();
    expect(await closing).toBe(0);
  });

  test("closes an idle connection after the grace period", async () => {
    await request();
    expect(await listener.close(LONG_MS, 50)).toBe(0);
  });

  test("waits for requests in flight after the grace period", async () => {
    const pending = request("/slow");
    await begun.promise;
    const closing = listener.close(LONG_MS, 0);
    slow.resolve();
    expect((await pending).headers.connection).toBe("close");
    expect(await closing).toBe(0);
  });

  test("cuts off requests at the timeout, and returns their number", async () => {
    const pending = request("/slow").catch((error: Error) => error.message);
    await begun.promise;
    expect(await listener.close(100, LONG_MS)).toBe(1);
    expect(await pending).toContain("hang up");
  });
});

/** The response to the bytes, on a connection of their own. */
const exchange = async (bytes: string): Promise<string> => {
  const socket = connect(listener.port, "127.0.0.1");
  socket.end(bytes);
  return await text(socket);
};

test("HTTP/1.0 needs no Host, as probes of balancers have none", async () => {
  expect(await exchange("GET /health HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*served$/);
});

describe("a malformed request", () => {
  test.each([
    ["a backslash in its target", "GET /v1/\\x HTTP/1.1\r\nHost: a\r\n\r\n", "invalid_request"],
    ["an invalid Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "invalid_request"],
    ["a Host that is no URL's", "GET / HTTP/1.1\r\nHost: 1.2.3.4.5\r\n\r\n", "invalid_request"],
    ["a Host that ends in a number", "GET / HTTP/1.1\r\nHost: a.999\r\n\r\n", "invalid_request"],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", "invalid_request"],
    ["no protocol", "GET /\r\n\r\n", "invalid_request"],
    [
      "two lengths",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "invalid_request",
    ],
    ["a control character", "GET / HTTP/1.1\r\nHost: a\r\nX: \u0001\r\n\r\n", "invalid_request"],
  ])("with %s is answered by the caller's problem", async (_, bytes, code) => {
    const [head = "", body = ""] = (await exchange(bytes)).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(head.toLowerCase()).toContain("\r\ncontent-type: application/problem+json");
    expect(JSON.parse(body)).toEqual({ code, address: "127.0.0.1" });
  });

  test("behind a response that is under way ends the connection", async () => {
    const socket = connect(listener.port, "127.0.0.1");
    socket.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    await begun.promise;
    socket.end("GET /\r\n\r\n");
    expect(await text(socket)).toBe("");
  });
});
