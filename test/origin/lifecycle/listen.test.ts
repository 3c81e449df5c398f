import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Listener, listen } from "../../../src/origin/lifecycle/listen.ts";

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
  listener = await listen(fetch, { host: "127.0.0.1", port: 0 });
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
