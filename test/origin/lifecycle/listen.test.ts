import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Listener, listen } from "../../../src/origin/lifecycle/listen.ts";

let listener: Listener;
let agent: Agent;
/** What the handler of "/slow" waits for. */
let slow: PromiseWithResolvers<void>;
/** Its request has come. */
let begun: PromiseWithResolvers<void>;

beforeEach(async () => {
  slow = Promise.withResolvers<void>();
  begun = Promise.withResolvers<void>();
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const fetch = async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname === "/slow") {
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

/** Over the one connection that is kept alive. */
const ask = async (path = "/"): Promise<IncomingMessage> => {
  const [response]: IncomingMessage[] = await once(
    get({ host: "127.0.0.1", port: listener.port, path, agent }),
    "response",
  );
  if (response === undefined) throw new Error("no answer");
  response.resume();
  await once(response, "end");
  return response;
};

const LONG_MS = 20_000;

describe("the end", () => {
  test("serves what comes over a connection that was idle, and then has no more to wait for", async () => {
    await ask();
    const closing = listener.close(LONG_MS, LONG_MS);
    // A new connection would be refused.
    const late = await ask();
    expect([late.statusCode, late.headers.connection]).toEqual([200, "close"]);
    expect(await closing).toBe(0);
  });

  test("waits no longer for an idle connection that its client closes", async () => {
    await ask();
    const closing = listener.close(LONG_MS, LONG_MS);
    agent.destroy();
    expect(await closing).toBe(0);
  });

  test("ends an idle connection when its time is up", async () => {
    await ask();
    expect(await listener.close(LONG_MS, 50)).toBe(0);
  });

  test("waits for a request in flight after idle connections have had their time", async () => {
    const pending = ask("/slow");
    await begun.promise;
    const closing = listener.close(LONG_MS, 0);
    slow.resolve();
    expect((await pending).headers.connection).toBe("close");
    expect(await closing).toBe(0);
  });

  test("cuts off what is in flight when all time is up, and says how many", async () => {
    const pending = ask("/slow").catch((error: Error) => error.message);
    await begun.promise;
    expect(await listener.close(100, LONG_MS)).toBe(1);
    expect(await pending).toContain("hang up");
  });
});
